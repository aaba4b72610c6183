//! Whether the server lives, and whether it takes orders.

use serde::Serialize;
use utoipa::ToSchema;

use super::metrics::MirrorLags;
use super::text::AsText;
use crate::domain::clock::Timestamp;

/// The process runs.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct LiveView {
    status: Fine,
}

impl LiveView {
    /// It does.
    pub const OK: Self = Self { status: Fine::Ok };
}

/// Orders are taken.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Ready)]
pub struct ReadyView {
    status: Fine,
    /// The mirrors that are set, whatever state they are in: orders do not need them. Absent if none is set.
    #[serde(skip_serializing_if = "MirrorLags::is_empty")]
    #[schema(required = false)]
    mirrors: MirrorLags,
}

impl ReadyView {
    /// They are, and so far are the mirrors.
    pub const fn of(mirrors: MirrorLags) -> Self {
        Self { status: Fine::Ok, mirrors }
    }
}

/// The process runs.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct HealthView {
    status: Fine,
    /// The server's time.
    timestamp: AsText<Timestamp>,
}

impl HealthView {
    /// It does, and this is the time.
    pub const fn at(now: Timestamp) -> Self {
        Self { status: Fine::Ok, timestamp: AsText(now) }
    }
}

/// No orders are taken.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotReadyView {
    /// What is missing.
    not_ready: Vec<Missing>,
    status: Unavailable,
}

impl NotReadyView {
    /// No orders are taken for this reason.
    pub fn of(missing: Missing) -> Self {
        Self { not_ready: vec![missing], status: Unavailable::Unavailable }
    }
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Fine {
    Ok,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Unavailable {
    Unavailable,
}

/// What orders lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// A server that stays: this one stops.
    ShuttingDown,
    /// A store that can be written.
    StorageUnavailable,
    /// A disk that takes commits in time.
    StorageSlow,
    /// The store's files where their names say.
    StorageMissing,
}
