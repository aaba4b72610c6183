//! Posts to services outside of this process: signed as Standard Webhooks says, over kept connections, and only to IP
//! addresses that may be called.
//!
//! It says what became of one post. Whether it is made again, and what it means, those decide who post.

mod address;
mod connect;
mod lookup;
mod receiver;
mod retry_after;
mod shortage;
mod url;
mod webhook;

pub use lookup::{LookupError, Resolved};
pub use receiver::Receiver;
pub use url::UrlError;
pub use webhook::{Verdict, Webhook, WebhookConfig, WebhookConfigError};

#[cfg(test)]
pub(crate) mod tests;
