//! Which of the two messages of remote write an endpoint is sent.

/// The message of a request body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RemoteMessage {
    /// `prometheus.WriteRequest`.
    #[default]
    V1,
    /// `io.prometheus.write.v2.Request`.
    V2,
}

impl RemoteMessage {
    pub const ALL: [RemoteMessage; 2] = [RemoteMessage::V1, RemoteMessage::V2];

    /// As configurations write it, and content types.
    pub fn name(self) -> &'static str {
        match self {
            RemoteMessage::V1 => "prometheus.WriteRequest",
            RemoteMessage::V2 => "io.prometheus.write.v2.Request",
        }
    }

    pub fn from_name(name: &str) -> Option<RemoteMessage> {
        RemoteMessage::ALL.into_iter().find(|message| message.name() == name)
    }
}
