//! TLS without sockets: settings to a configuration, a client's or the admin server's, and one client connection as bytes
//! in and bytes out.
//!
//! - A peer is either verified against the configured authorities and by its name, or verification was switched off
//!   in so many words.
//! - What a certificate that is named as the authority itself presents is accepted if the name and the dates hold,
//!   as Go does: self-signed exporters are the rule.
//! - An error says which side has to change what.
//!
//! rustls draws its own randomness and reads the wall clock to judge validity; no other time or chance is used here.
//!
//! May use: base.

mod error;
mod server;
mod session;
mod settings;
mod verify;

pub use error::TlsError;
pub use server::{ClientCheck, ServerSettings, server_config};
pub use session::{Received, Session};
pub use settings::{RsaKey, Settings, Version, client_config, client_config_named, rsa_key};
