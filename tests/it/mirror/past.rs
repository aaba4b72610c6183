//! A history of some days ago, on the data of a server, so that a server of today trims it.

use flashsale::committer::Edit;
use flashsale::domain::clock::{Clock, Timestamp};
use flashsale::domain::money::Money;
use flashsale::domain::product::{ProductId, Terms};
use flashsale::domain::product_tag::Expected;
use flashsale::store::{Medium, file_in};

use crate::harness::engine::{Engine, request};
use crate::harness::{Launch, eventually};

/// The engine of a server that does not run, under a clock that is some days behind.
pub(crate) struct Past(Engine);

impl Past {
    /// Opens the store of a server as it was opened so many days ago.
    pub(crate) fn open(launch: &Launch, days: i64) -> Self {
        let directory = launch.data_dir();
        std::fs::create_dir_all(&directory).unwrap();
        let now = Clock::system().now().millis();
        let clock = Clock::manual(Timestamp::from_millis(now - days * 24 * 3_600_000));
        let mut engine = Engine::start_on(Medium::File(file_in(&directory)), &clock).unwrap();
        engine.start_workers();
        Self(engine)
    }

    /// Creates a product in the sale.
    pub(crate) async fn create(&self, stock: u64) -> u64 {
        let terms = Terms {
            name: "Lamp".to_owned(),
            price: Money::from_cents(999),
            flash_sale_active: true,
            ..Terms::default()
        };
        self.0.intake.edit(Edit::Create { terms, initial: stock, current: stock }).await.unwrap().id.0
    }

    /// Deletes a product.
    pub(crate) async fn delete(&self, product: u64) {
        self.0.intake.delete_product(ProductId(product), Expected::default()).await.unwrap();
    }

    /// Places orders in one record, and waits until all are confirmed; gives their numbers.
    pub(crate) async fn place(&self, product: u64, count: usize) -> Vec<u64> {
        let order = |number: usize| request(ProductId(product), &format!("user-{number}"), None);
        let placed = self.0.admission.place_many((0..count).map(order).collect()).await;
        let orders = placed.into_iter().map(|accepted| accepted.unwrap().receipt.order.0).collect();
        eventually("the workers to confirm them", async || {
            let counts = self.0.queue.counts();
            (counts.waiting + counts.prioritized + counts.active == 0).then_some(())
        })
        .await;
        self.0.intake.flushed().await.unwrap();
        orders
    }

    /// Ends it. A server can have the store then.
    pub(crate) async fn close(self) {
        self.0.stop().await;
    }
}

/// The settings of a server that trims what is older than a day, and keeps this many records for a mirror.
pub(crate) fn trims(launch: &mut Launch, kept: u32) {
    launch.set("JOURNAL_KEEP_DAYS", "1");
    launch.set("MIRROR_KEEP_RECORDS", &kept.to_string());
}
