//! The figures of the moment and the benchmark report.

use super::shown;
use crate::domain::clock::Timestamp;
use crate::view::benchmark::{BenchmarkView, DoneView, PercentileView};
use crate::view::metrics::{ByStatusAndCode, MetricsView, MirrorView, Mirrors, ResponseTimeView, UnitsByProduct};
use crate::view::text::AsText;

#[test]
fn the_figures_and_the_report_fit_their_schemas_filled_and_empty() {
    let away = MirrorView {
        away_since: Some(AsText(Timestamp::from_millis(1_000))),
        position: Some(7),
        connections: Some(2),
        hits: Some(3),
        misses: Some(0),
        last_error: Some("gone".to_owned()),
        ..MirrorView::default()
    };
    let filled = MetricsView {
        inventory_levels: UnitsByProduct([(7, 3)].into()),
        mirrors: Mirrors([("postgres", MirrorView::default()), ("redis", away)].into()),
        response_time: ResponseTimeView { p50: Some(0.5), ..Default::default() },
        ..MetricsView::default()
    };
    let text = shown(&filled);
    assert!(text.contains(r#""inventoryLevels":{"7":3}"#) && text.contains(r#""p50":0.5,"p95":null"#), "{text}");
    assert!(text.contains(r#""awaySince":"1970-01-01T00:00:01.000Z","position":7"#), "{text}");
    assert!(text.contains(r#""sale":{"phase":"none","startsAt":null"#), "{text}");
    shown(&MetricsView::default());
    let codes = ByStatusAndCode([("201".to_owned(), 1)].into());
    let latency = vec![PercentileView { percentile: 50.0, ms: 0.5 }];
    shown(&BenchmarkView { latency, codes, ..BenchmarkView::default() });
    shown(&DoneView { success: true, message: "done" });
}
