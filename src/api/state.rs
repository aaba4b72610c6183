//! What the handlers work with.

use std::fmt;
use std::sync::{Arc, LazyLock};

use axum::extract::FromRef;
use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::admission::Admission;
use crate::alerts::Alerts;
use crate::committer::Intake;
use crate::config::DocsAccess;
use crate::domain::clock::Clock;
use crate::domain::job_id::JobIds;
use crate::http::{AdminToken, Cursors, PublicUrl, Tokens};
use crate::inventory::Inventory;
use crate::metrics::Metrics;
use crate::monitor::Monitor;
use crate::queue::Queue;
use crate::store::Store;

use super::product_list::ProductLists;

/// The rooms that the API uses.
#[derive(Debug)]
pub struct Deps {
    /// The way in for orders.
    pub admission: Arc<Admission>,
    /// The way to the committer.
    pub intake: Intake,
    /// The products.
    pub inventory: Arc<Inventory>,
    /// The jobs.
    pub queue: Arc<Queue>,
    /// What is on disk.
    pub store: Arc<Store>,
    /// The time of day.
    pub clock: Clock,
    /// The numbers of jobs.
    pub job_ids: Arc<JobIds>,
    /// The credentials.
    pub tokens: Tokens,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The alerts that are raised.
    pub alerts: Arc<Alerts>,
    /// The figures of the moment.
    pub monitor: Arc<Monitor>,
    /// Where a proxy shows the server.
    pub public: PublicUrl,
    /// Who may read the description of the API.
    pub docs: DocsAccess,
}

/// The rooms as requests share them. A handler names the parts that it uses, and gets no others.
#[derive(Clone, Debug)]
pub(super) struct Shared(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    deps: Deps,
    cursors: Arc<Cursors>,
    lists: Arc<ProductLists>,
    backup_turn: BackupTurn,
    description: Description,
}

/// The turn to read a backup. There is one, as each reads everything and keeps the space of what it sees.
#[derive(Clone, Debug)]
pub(super) struct BackupTurn(pub(super) Arc<Semaphore>);

/// The API's own description, written when it is read for the first time.
#[derive(Clone)]
pub(super) struct Description(Arc<LazyLock<Bytes, Box<dyn FnOnce() -> Bytes + Send>>>);

impl Description {
    pub(super) fn new(write: impl FnOnce() -> String + Send + 'static) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(|| write().into()))))
    }

    /// Its text.
    pub(super) fn text(&self) -> Bytes {
        Bytes::clone(&self.0)
    }
}

impl fmt::Debug for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Description")
    }
}

impl Shared {
    pub(super) fn new(deps: Deps, description: Description) -> Self {
        let cursors = Arc::new(Cursors::new(*deps.store.secret()));
        let lists = Arc::new(ProductLists::new(Arc::clone(&deps.inventory)));
        let backup_turn = BackupTurn(Arc::new(Semaphore::new(1)));
        Self(Arc::new(Parts { deps, cursors, lists, backup_turn, description }))
    }
}

/// Lets handlers take one part of [`Shared`].
macro_rules! part {
    ($part:ty, $($field:ident).+) => {
        impl FromRef<Shared> for $part {
            fn from_ref(shared: &Shared) -> Self {
                shared.0.$($field).+.clone()
            }
        }
    };
}

part!(Arc<Admission>, deps.admission);
part!(Intake, deps.intake);
part!(Arc<Inventory>, deps.inventory);
part!(Arc<Queue>, deps.queue);
part!(Arc<Store>, deps.store);
part!(Clock, deps.clock);
part!(Arc<JobIds>, deps.job_ids);
part!(AdminToken, deps.tokens.admin);
part!(Tokens, deps.tokens);
part!(Arc<Metrics>, deps.metrics);
part!(Arc<Alerts>, deps.alerts);
part!(Arc<Monitor>, deps.monitor);
part!(PublicUrl, deps.public);
part!(Arc<Cursors>, cursors);
part!(Arc<ProductLists>, lists);
part!(BackupTurn, backup_turn);
part!(Description, description);
