//! How orders are fulfilled by the settings.

use std::sync::Arc;

use crate::config::FulfillmentConfig;
use crate::fulfillment::{Method, RetryPolicy, SERVICE, Webhook};
use crate::outbound::{self, WebhookConfig, WebhookConfigError};

/// At once, or by posts to the service that is set.
pub(super) fn method(config: Option<&FulfillmentConfig>) -> Result<Method, WebhookConfigError> {
    let Some(config) = config else { return Ok(Method::Instant) };
    let webhook = outbound::Webhook::new(WebhookConfig {
        to: &SERVICE,
        url: config.url.expose().to_owned(),
        secret: config.secret.as_ref().map(|secret| secret.expose().to_owned()),
        timeout: config.timeout,
        allow_private: config.allow_private,
    })?;
    let FulfillmentConfig { attempts, first_delay, max_delay, .. } = *config;
    let policy = RetryPolicy { attempts, first_delay, max_delay };
    Ok(Method::Webhook(Arc::new(Webhook::new(webhook)), policy))
}
