//! A server without HTTP under a clock that is moved by hand.

use std::sync::Arc;
use std::time::Duration;

use flashsale::committer::{Edit, OperatorMove, Settlement};
use flashsale::domain::change::Actor;
use flashsale::domain::clock::{Clock, Timestamp};
use flashsale::domain::filter::Span;
use flashsale::domain::money::Money;
use flashsale::domain::order::{Order, OrderId};
use flashsale::domain::product::{ProductId, Terms};
use flashsale::domain::refusal::Refusal;
use flashsale::domain::transition::Transition;
use flashsale::metrics::{Format, Gauges};
use flashsale::store::{Head, StoreError};

use crate::harness::disk::Disk;
use crate::harness::engine::{Engine, clock, request};
use crate::harness::gate::Gate;

/// Milliseconds.
pub(super) const HOUR: i64 = 3_600_000;
pub(super) const DAY: i64 = 24 * HOUR;

/// Held until it is paid, for [`HOLD`].
const HELD: ProductId = ProductId(1);
/// Fulfilled by a worker.
const PLAIN: ProductId = ProductId(2);
/// On sale in the second hour only.
const IN_WINDOW: ProductId = ProductId(3);
pub(super) const HOLD: Duration = Duration::from_secs(7);

pub(super) struct Shop {
    /// There but for the moment of a restart.
    engine: Option<Engine>,
    /// The clock as the running engine sees it.
    pub(super) clock: Clock,
    pub(super) gate: Arc<Gate>,
    disk: Arc<Disk>,
    keep: Option<Duration>,
    paused: bool,
}

/// The window of the product that has one.
pub(super) fn window() -> Span {
    let at = |millis| Some(clock().now().after(Duration::from_millis(millis)));
    Span { from: at(HOUR.unsigned_abs()), to: at(2 * HOUR.unsigned_abs()) }
}

impl Shop {
    pub(super) async fn open(keep: Option<Duration>) -> Result<Self, String> {
        let (disk, gate, clock) = (Disk::new(0), Arc::new(Gate::default()), clock());
        let engine = Engine::start_keeping(gate.medium(&disk), &clock, keep)?;
        for id in [HELD, PLAIN, IN_WINDOW] {
            let Span { from, to } = if id == IN_WINDOW { window() } else { Span::default() };
            let terms = Terms {
                sku: None,
                hidden: false,
                name: "lamp".to_owned(),
                price: Money::from_cents(999),
                flash_sale_active: true,
                per_user_limit: None,
                sale_starts_at: from,
                sale_ends_at: to,
                hold_seconds: (id == HELD).then_some(HOLD.as_secs() as u32),
            };
            let made = engine.intake.edit(Edit::Create { terms, initial: 1_000, current: 1_000 }).await;
            made.map_err(|refusal| format!("a product: {refusal:?}"))?;
        }
        Ok(Self { engine: Some(engine), clock, gate, disk, keep, paused: false })
    }

    pub(super) fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    /// A stop and a start; what the process knew beside the store is gone.
    pub(super) async fn restart(&mut self) -> Result<(), String> {
        self.engine.take().unwrap().stop().await;
        let clock = self.clock.restarted();
        self.engine = Some(Engine::start_keeping(self.gate.medium(&self.disk), &clock, self.keep)?);
        self.clock = clock;
        Ok(())
    }

    /// Checks the store and stops.
    pub(super) async fn close(mut self) -> Result<(), String> {
        let found = self.engine().store.verify(&std::env::temp_dir(), &mut |_, _, _| {});
        let problems = found.map_err(|error| error.to_string())?.problems;
        self.engine.take().unwrap().stop().await;
        if problems.is_empty() { Ok(()) } else { Err(format!("the store's own check says {problems:?}")) }
    }

    pub(super) async fn place_held(&self, user: &str, key: Option<&str>) -> Result<OrderId, String> {
        self.place(HELD, user, key).await.map_err(|refusal| format!("a held order: {refusal:?}"))
    }

    pub(super) async fn place_plain(&self, user: &str, key: Option<&str>) -> Result<OrderId, String> {
        self.place(PLAIN, user, key).await.map_err(|refusal| format!("a plain order: {refusal:?}"))
    }

    /// Whether the sale that has a window takes orders.
    pub(super) async fn is_window_open(&self) -> bool {
        self.place(IN_WINDOW, "ada", None).await.is_ok()
    }

    async fn place(&self, product: ProductId, user: &str, key: Option<&str>) -> Result<OrderId, Refusal> {
        Ok(self.engine().admission.place(request(product, user, key)).await?.receipt.order)
    }

    pub(super) async fn confirm(&self, order: OrderId) -> Result<(), String> {
        let moved = self.engine().intake.move_orders(vec![order], OperatorMove::Confirm).await;
        moved.map(drop).map_err(|refusal| format!("confirming: {refusal:?}"))
    }

    /// A commit that changes something and is no order.
    pub(super) async fn trip(&mut self) -> Result<(), String> {
        self.paused = !self.paused;
        let done = self.engine().intake.set_paused(self.paused).await;
        done.map_err(|refusal| format!("pausing: {refusal:?}"))?;
        self.catch_up()
    }

    /// What the clock's task does; returns when it is committed.
    pub(super) async fn turn(&mut self) -> Result<(), String> {
        let expire = |order| Settlement { order, transition: Transition::Expired, actor: Actor::Clock };
        let ended: Vec<_> = self.engine().queue.wake_due(usize::MAX).into_iter().map(expire).collect();
        self.engine().intake.settle(ended).await;
        self.trip().await?;
        // Nobody takes jobs while the queue is paused.
        if self.paused { self.trip().await } else { Ok(()) }
    }

    pub(super) fn order(&self, id: OrderId) -> Result<Arc<Order>, String> {
        self.engine().store.order(id).map_err(|error| error.to_string())?.ok_or_else(|| format!("order {id} is lost"))
    }

    /// Brings the tables up to the last commit, and with it what is due to be removed.
    pub(super) fn catch_up(&self) -> Result<(), String> {
        self.engine().store.snapshot().map(drop).map_err(|error| error.to_string())
    }

    pub(super) fn head(&self) -> Result<Head, String> {
        self.engine().store.snapshot().and_then(|snapshot| snapshot.head()).map_err(|error| error.to_string())
    }

    /// The times of the records that are there, by sequence.
    pub(super) fn record_times(&self) -> Result<Vec<(u64, Timestamp)>, String> {
        let read = || -> Result<_, StoreError> {
            let records = self.engine().store.snapshot()?.records()?;
            records.map(|record| record.map(|(record, _)| (record.sequence, record.at))).collect::<Result<Vec<_>, _>>()
        };
        read().map_err(|error| error.to_string())
    }

    /// Orders accepted within a span, newest first, page by page.
    pub(super) fn search(&self, span: Span) -> Result<Vec<OrderId>, String> {
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let page = self.engine().store.snapshot().and_then(|snapshot| snapshot.orders(before, 4, span, |_| true));
            let page = page.map_err(|error| error.to_string())?;
            found.extend(page.rows.iter().map(|order| order.id));
            match page.next {
                Some(next) => before = Some(OrderId(next)),
                None => return Ok(found),
            }
        }
    }

    pub(super) fn metrics_text(&self) -> String {
        self.engine().metrics.text(&Gauges::default(), Format::Prometheus)
    }
}
