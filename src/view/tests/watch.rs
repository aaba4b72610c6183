//! Alerts, history, readiness and verdict.

use super::{AT, shown};
use crate::domain::alert::{Alert, AlertCode};
use crate::domain::product::ProductId;
use crate::domain::series::{EventKind, Series};
use crate::view::alert::AlertsView;
use crate::view::history::{AllSeriesView, HistoryEventView, HistoryView, SeriesView};
use crate::view::metrics::ByCode;
use crate::view::readiness::{ReadinessCheckView, ReadinessStatus, ReadinessView};
use crate::view::text::{AsText, Id, Word};
use crate::view::verdict::{FunnelView, ResponseGoalView, SoldProductView, VerdictCheckView, VerdictView};

#[test]
fn an_alert_says_what_is_wrong_and_what_to_do() {
    let alert = |code, product| Alert { code, product, message: "It is.".to_owned(), since: AT };
    let alerts = [alert(AlertCode::ClockStepped, None), alert(AlertCode::SaleStarted, Some(ProductId(1)))];
    assert_eq!(
        shown(&AlertsView::of(&alerts)),
        r#"{"alerts":[{"code":"clock_stepped","message":"It is.","action":"Check the time service of this machine, "#
            .to_owned()
            + r#"and the start and end of each sale.","productId":null,"severity":"warning","#
            + r#""since":"2026-01-31T12:00:00.000Z"},{"code":"sale_started","message":"It is.","#
            + r#""action":"Nothing needs to be done.","productId":1,"severity":"info","#
            + r#""since":"2026-01-31T12:00:00.000Z"}]}"#
    );
}

#[test]
fn a_history_has_every_series_and_null_for_what_was_not_measured() {
    let one = SeriesView { min: vec![Some(1.5), None], mean: vec![Some(2.0), None], max: vec![Some(2.5), None] };
    let event = |kind, product_id| HistoryEventView {
        at: AsText(AT),
        kind: Word(kind),
        product_id,
        message: "It did.".to_owned(),
    };
    let history = HistoryView {
        from: AsText(AT),
        to: AsText(AT),
        step_seconds: 1,
        points: 2,
        series: AllSeriesView(vec![one; Series::COUNT]),
        events: vec![event(EventKind::Start, None), event(EventKind::SoldOut, Some(Id(3)))],
    };
    let text = shown(&history);
    for series in Series::ALL {
        let expected = format!(r#""{}":{{"min":[1.5,null],"mean":[2.0,null],"max":[2.5,null]}}"#, series.as_str());
        assert!(text.contains(&expected), "{text}");
    }
}

#[test]
fn a_readiness_has_the_worst_first_and_is_ready_when_nothing_blocks() {
    let check = |name, status| ReadinessCheckView {
        name,
        status,
        title: "Stock",
        evidence: "5 units.".to_owned(),
        link: None,
        action: None,
    };
    use ReadinessStatus::{Look, NotReady, Ready};
    let checks = vec![check("a", Ready), check("b", Look), check("c", NotReady), check("d", Look)];
    let view = ReadinessView::of(AT, checks.clone());
    let order: Vec<_> = view.checks.iter().map(|check| check.name).collect();
    assert_eq!((order.concat(), view.ready, view.blocking, view.looking), ("cbda".to_owned(), false, 1, 2));
    assert!(shown(&view).contains(r#""status":"not_ready","title":"Stock","evidence":"5 units.","link":null"#));
    assert!(ReadinessView::of(AT, checks[..2].to_vec()).ready);
}

#[test]
fn a_verdict_fits_its_schema() {
    let check = VerdictCheckView {
        name: "stock",
        title: "Sold equals stock".to_owned(),
        holds: true,
        evidence: "1.".to_owned(),
    };
    let product = |at: Option<AsText<_>>, lasted_seconds| SoldProductView {
        id: Id(1),
        name: "a".to_owned(),
        sold: 3,
        started_at: at,
        sold_out_at: at,
        lasted_seconds,
    };
    let verdict = VerdictView {
        held: true,
        checked_at: AsText(AT),
        checks: vec![check],
        goal: ResponseGoalView { below_ms: 3, p99_ms: None, responses: 0, met: true },
        funnel: FunnelView { asked: 2, rejected: ByCode([("sold_out", 2)].into()), ..FunnelView::default() },
        products: vec![product(Some(AsText(AT)), Some(1.5)), product(None, None)],
    };
    assert!(shown(&verdict).contains(r#""funnel":{"asked":2,"rejected":{"sold_out":2},"admitted":0,"#));
}
