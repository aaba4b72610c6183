use proptest::prelude::*;

use super::*;
use crate::alerts::Event;
use crate::domain::clock::{Clock, Timestamp};
use crate::view::metrics::MirrorView;

fn metrics() -> MetricsView {
    MetricsView { queue_capacity: 100, ..MetricsView::default() }
}

struct Desk {
    clock: Clock,
    alerts: Arc<Alerts>,
    rules: Rules,
    metrics: MetricsView,
    products: Vec<Arc<Product>>,
    suspended: bool,
    new_dead_letters: u64,
}

impl Desk {
    fn new() -> Self {
        let alerts = Arc::<Alerts>::default();
        Self {
            clock: Clock::manual(Timestamp::from_millis(1_000_000)),
            rules: Rules::new(Arc::clone(&alerts)),
            alerts,
            metrics: metrics(),
            products: Vec::new(),
            suspended: false,
            new_dead_letters: 0,
        }
    }

    fn look(&mut self) {
        self.rules.look(&Look {
            now: self.clock.moment(),
            metrics: &self.metrics,
            products: &self.products,
            suspended: self.suspended,
            new_dead_letters: self.new_dead_letters,
            thresholds: &AlertConfig::default(),
        });
    }

    /// Looks once a second.
    fn pass(&mut self, seconds: usize) -> Vec<AlertCode> {
        for _ in 0..seconds {
            self.clock.advance(Duration::from_secs(1));
            self.look();
        }
        self.alerts.alerts().iter().map(|alert| alert.code).collect()
    }
}

#[test]
fn every_rule_raises_its_alert_and_ends_it() {
    type Change = fn(&mut Desk);
    let product = |current, sold| {
        let mut product = Product::example(1, 100);
        (product.stock.current, product.stock.sold) = (current, sold);
        vec![Arc::new(product)]
    };
    let cases: [(AlertCode, Change); 11] = [
        (AlertCode::QueueFull, |desk| desk.metrics.queue_length = 81),
        (AlertCode::OldestJob, |desk| desk.metrics.oldest_job_age_ms = 60_000),
        (AlertCode::ErrorRate, |desk| desk.metrics.error_rate = Some(50.0)),
        (AlertCode::DeadLetters, |desk| desk.new_dead_letters = 100),
        (AlertCode::FulfillmentSuspended, |desk| desk.suspended = true),
        (AlertCode::CommitSlow, |desk| desk.metrics.commit.p99 = Some(900.0)),
        (AlertCode::DiskFull, |desk| desk.metrics.disk_free_bytes = Some(5)),
        (AlertCode::OpenFiles, |desk| {
            (desk.metrics.open_files, desk.metrics.max_open_files) = (Some(90), Some(100));
        }),
        (AlertCode::MirrorAway, |desk| {
            desk.metrics.mirrors.0.insert("redis", MirrorView::default());
        }),
        (AlertCode::MirrorBehind, |desk| {
            let behind = MirrorView { connected: true, lag_seconds: 61.0, ..MirrorView::default() };
            desk.metrics.mirrors.0.insert("postgres", behind);
        }),
        (AlertCode::SaleSoon, |desk| {
            desk.metrics.sale.phase.0 = Phase::Before;
            let starts = desk.clock.now().after(Duration::from_secs(300));
            desk.metrics.sale.starts_at = Some(crate::view::text::AsText(starts));
        }),
    ];
    for (code, change) in cases {
        let mut desk = Desk::new();
        assert_eq!(desk.pass(5), []);
        change(&mut desk);
        assert_eq!(desk.pass(5), [code]);
        (desk.metrics, desk.suspended, desk.new_dead_letters) = (metrics(), false, 0);
        assert_eq!(desk.pass(12), [], "{code:?}");
    }
    let mut desk = Desk::new();
    desk.products = product(100, 0);
    assert_eq!(desk.pass(3), []);
    desk.products = product(9, 91);
    assert_eq!(desk.pass(3), [AlertCode::StockLow]);
    desk.products = product(0, 100);
    assert_eq!(desk.pass(8), [AlertCode::SoldOut], "what is sold out is not low");
    desk.products = product(1, 100);
    assert_eq!(desk.pass(1), [AlertCode::NotConserved, AlertCode::SoldOut]);
    desk.products.clear();
    assert_eq!(desk.pass(10), [], "a product that is gone has no alerts");
}

#[test]
fn dead_letters_grow_within_a_minute_and_not_by_being_settled() {
    let (clock, mut grown) = (Clock::manual(Timestamp::default()), NewDeadLetters::default());
    let mut after = |seconds, count| {
        clock.advance(Duration::from_secs(seconds));
        grown.grown(clock.steady(), count)
    };
    assert_eq!([after(0, 500), after(1, 500), after(1, 520), after(50, 521)], [0, 0, 20, 21]);
    assert_eq!([after(20, 521), after(1, 100), after(1, 130)], [0, 0, 30]);
}

proptest! {
    /// However a figure wobbles within a tenth of its threshold, its alert is raised at most once.
    #[test]
    fn a_figure_that_wobbles_round_its_threshold_raises_once(wobble in prop::collection::vec(73_u64..88, 10..200)) {
        let mut desk = Desk::new();
        let mut events = desk.alerts.subscribe();
        for queue_length in wobble {
            desk.metrics.queue_length = queue_length;
            desk.pass(1);
        }
        let mut raised = 0;
        while let Ok(event) = events.try_recv() {
            prop_assert!(matches!(event, Event::AlertRaised(_)), "{:?}", event);
            raised += 1;
        }
        prop_assert!(raised <= 1);
    }

    /// However wildly a figure moves, an alert neither comes nor goes within the times that the table says.
    #[test]
    fn an_alert_lasts_and_stays_away_for_a_while(figures in prop::collection::vec(0_u64..200, 10..200)) {
        let mut desk = Desk::new();
        let (mut before, mut lasts) = (Vec::new(), 0);
        for queue_length in figures {
            desk.metrics.queue_length = queue_length;
            let now = desk.pass(1);
            if now == before {
                lasts += 1;
            } else {
                prop_assert!(lasts >= if before.is_empty() { 2 } else { 5 }, "{} s {:?}", lasts, before);
                (before, lasts) = (now, 0);
            }
        }
    }
}
