//! HTTP for the control plane: what discovery asks, and tokens for those who scrape and send.
//!
//! [`Client`] is made of a configuration's HTTP fields and obeys all of them; what stands in files is read again for
//! every request. It is asynchronous and belongs to threads that may wait: no core uses it. What is made of secrets for
//! the cores is made by the plain functions here, and goes to them as mail.
//!
//! Credentials that end (tokens, temporary keys) are kept good by the thread `tokens`: [`Keeper`].
//!
//! An error never holds a secret: neither a credential nor the URL's password.
//!
//! May use: base, http, tls, auth, config.

mod ask;
mod aws;
mod azure;
mod caller;
mod clock;
mod error;
mod form;
mod google;
mod jwt;
mod keeper;
mod material;
mod oauth2;
mod roots;
mod source;
#[cfg(test)]
mod standin;
mod wire;

pub use ask::{Answer, Ask, Stream};
pub use caller::Client;
pub use error::ClientError;
pub use keeper::{Keeper, News, Outcome};
pub use material::{
    ReadFile, authorization, http_headers, proxies, read_file, secret, tls_settings,
};
pub use roots::native_roots;
pub use source::{AwsKey, Credential, Issued, Source};
