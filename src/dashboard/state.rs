//! What the pages work with.

use std::ops::Deref;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::alerts::Alerts;
use crate::committer::Intake;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::job_id::JobIds;
use crate::domain::mirror::MirrorPlace;
use crate::domain::product::ProductId;
use crate::http::{AdminToken, Cursors, PublicUrl};
use crate::inventory::Inventory;
use crate::limits::MAX_PRODUCT_CHOICES;
use crate::metrics::Metrics;
use crate::monitor::Monitor;
use crate::queue::Queue;
use crate::store::Store;

use super::notice::NoticeKey;
use super::tries::Tries;

/// The rooms that the dashboard uses.
#[derive(Debug)]
pub struct Deps {
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
    /// The operator's credential.
    pub token: AdminToken,
    /// Where a proxy shows the server.
    pub public: PublicUrl,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The alerts that are raised.
    pub alerts: Arc<Alerts>,
    /// The figures of the moment.
    pub monitor: Arc<Monitor>,
    /// Where the mirrors go that are set.
    pub mirrors: Vec<MirrorPlace>,
}

/// The rooms as requests share them. Handlers reach a room by its field: `shared.store`.
#[derive(Clone, Debug)]
pub(super) struct Shared(Arc<Rooms>);

/// See [`Shared`].
#[derive(Debug)]
pub(super) struct Rooms {
    deps: Deps,
    /// Marks positions in lists.
    pub(super) cursors: Cursors,
    /// Seals the message that follows an act.
    pub(super) notices: NoticeKey,
    /// Counts wrong tokens.
    pub(super) tries: Tries,
    /// When the acts of the strip were last done here; their way back takes one click for a while.
    pub(super) acted: Mutex<Acted>,
    /// Held while a product is created: a form that is sent twice creates one.
    pub(super) creating: tokio::sync::Mutex<()>,
}

/// When the acts of the strip were last done on this dashboard, as long as they hold.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Acted {
    /// The queue was paused.
    pub(super) paused: Option<Timestamp>,
    /// The sale was stopped.
    pub(super) stopped: Option<Timestamp>,
}

impl Shared {
    pub(super) fn new(deps: Deps) -> Self {
        let secret = *deps.store.secret();
        Self(Arc::new(Rooms {
            deps,
            cursors: Cursors::new(secret),
            notices: NoticeKey::new(&secret),
            tries: Tries::default(),
            acted: Mutex::default(),
            creating: tokio::sync::Mutex::default(),
        }))
    }

    /// The numbers and names of the products to choose from, newest first, unless there are too many for a list.
    pub(super) fn product_choices(&self) -> Option<Vec<(u64, String)>> {
        let products = (self.inventory.len() <= MAX_PRODUCT_CHOICES).then(|| self.inventory.products())?;
        Some(products.iter().map(|product| (product.id.0, product.terms.name.clone())).collect())
    }

    /// The name of a product, or its number if it is gone.
    pub(super) fn product_name(&self, product: ProductId) -> String {
        let item = self.inventory.item(product);
        item.map_or_else(|| format!("product {product}"), |item| item.product().terms.name.clone())
    }
}

impl Deref for Shared {
    type Target = Rooms;

    fn deref(&self) -> &Rooms {
        &self.0
    }
}

impl Deref for Rooms {
    type Target = Deps;

    fn deref(&self) -> &Deps {
        &self.deps
    }
}
