//! What an endpoint's configuration says to do about some answers.

/// What becomes of the samples of a request that was answered with a certain status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatusAction {
    /// Given up.
    Drop,
    /// Kept; the endpoint is asked rarely.
    Hold,
    /// Those that are refused alone are given up.
    Isolate,
    /// Sent again after a backoff.
    Retry,
}

impl StatusAction {
    pub const ALL: [StatusAction; 4] =
        [StatusAction::Drop, StatusAction::Hold, StatusAction::Isolate, StatusAction::Retry];

    /// As configurations write it.
    pub fn name(self) -> &'static str {
        match self {
            StatusAction::Drop => "drop",
            StatusAction::Hold => "hold",
            StatusAction::Isolate => "isolate",
            StatusAction::Retry => "retry",
        }
    }

    pub fn from_name(name: &str) -> Option<StatusAction> {
        StatusAction::ALL.into_iter().find(|action| action.name() == name)
    }
}

/// Statuses (300 to 599) that are not treated as usual; each once, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusPolicy(pub Vec<(u16, StatusAction)>);

impl StatusPolicy {
    pub fn action(&self, status: u16) -> Option<StatusAction> {
        self.0.iter().find(|(known, _)| *known == status).map(|(_, action)| *action)
    }
}
