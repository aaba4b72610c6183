//! What the contract says of a request, and whether a response is that.

use hyper::Method;

use super::ask::{Ask, Condition, Key, Page, Part, Target, Token};
use super::body::is_urgent;
use super::known::Known;
use super::setup::{ALLOWED, Setup, Who};
use crate::harness::{Answer, assert_is_problem};

/// The closed list of the contract.
const CODES: [(u16, &[&str]); 16] = [
    (400, &["invalid_request"]),
    (401, &["unauthorized"]),
    (403, &["forbidden"]),
    (404, &["product_not_found", "order_not_found", "job_not_found", "not_found"]),
    (405, &["method_not_allowed"]),
    (408, &["request_timeout"]),
    (409, &CONFLICTS),
    (412, &["precondition_failed"]),
    (413, &["payload_too_large"]),
    (414, &["uri_too_long"]),
    (415, &["unsupported_media_type"]),
    (422, &["idempotency_key_reused"]),
    (428, &["precondition_required"]),
    (429, &["rate_limited"]),
    (431, &["headers_too_large"]),
    (503, &["overloaded", "shutting_down", "storage_unavailable"]),
];
const CONFLICTS: [&str; 10] = [
    "sold_out",
    "sale_not_active",
    "sale_not_started",
    "sale_ended",
    "purchase_limit_exceeded",
    "hold_expired",
    "order_not_pending",
    "product_has_orders",
    "sku_taken",
    "request_in_flight",
];

/// What must become of a request.
#[derive(Debug)]
pub(super) enum Verdict {
    /// One of these, before a route looks at it.
    Stopped(Vec<u16>),
    /// One of these.
    Rejected(Vec<u16>),
    /// A response to `OPTIONS`.
    Options,
    /// 304.
    Unchanged,
    /// The order of this id again.
    Replayed(u64),
    /// A success, or what the state of the shop is against: not found or a conflict. Then the statuses that the
    /// contract leaves open.
    Done(Vec<u16>),
}

impl Verdict {
    pub(super) fn of(setup: Setup, ask: &Ask, known: &Known) -> Self {
        let (stops, open) = stops(setup, ask);
        if !stops.is_empty() {
            return Self::Stopped([stops, open].concat());
        }
        if ask.method == Method::OPTIONS {
            return Self::Options;
        }
        let is_operator = !setup.admin || ask.token == Token::Admin;
        let may_use = match Who::of(&ask.operation) {
            Who::Public => true,
            Who::Buyer => is_operator || !setup.storefront || ask.token == Token::Storefront,
            Who::Storefront => is_operator || (setup.storefront && ask.token == Token::Storefront),
            Who::Operator => is_operator,
        };
        if !may_use {
            // The query of an order is looked at before its token.
            let query = ask.places_an_order() && ask.query == Part::Wrong;
            return Self::Rejected([vec![401], open, query.then_some(400).into_iter().collect()].concat());
        }
        let mut wrong = wrongs(ask);
        wrong.extend((ask.places_an_order() && is_urgent(&ask.json) && !is_operator).then_some(401));
        let is_hidden = ask.product.is_some_and(|id| known.state.products[&id].1);
        wrong.extend((is_hidden && !is_operator).then_some(404));
        if let (Key::Valid(key), true, true) = (&ask.key, ask.places_an_order(), wrong.is_empty()) {
            match known.keys.get(key) {
                Some(kept) if kept.order == ask.json && open.is_empty() => return Self::Replayed(kept.id),
                Some(kept) if kept.order != ask.json => wrong.push(422),
                _ => {}
            }
        }
        if !wrong.is_empty() {
            return Self::Rejected([wrong, open].concat());
        }
        if ask.knows_state && open.is_empty() && ask.operation.path == "/api/v1/inventory/{id}" {
            return Self::Unchanged;
        }
        let open_body = if ask.content == Part::Open { vec![400, 415] } else { Vec::new() };
        Self::Done([open, open_body].concat())
    }

    /// Whether anything may be changed at the server after the request.
    pub(super) fn may_change(&self, ask: &Ask) -> bool {
        matches!(self, Self::Done(_)) && ask.is_act()
    }

    /// Fails unless the response is what must have become of the request.
    pub(super) fn check(&self, setup: Setup, ask: &Ask, answer: &Answer) {
        let status = answer.status;
        match self {
            Self::Stopped(statuses) | Self::Rejected(statuses) => {
                assert!(statuses.contains(&status), "expected {statuses:?}");
            }
            Self::Options => {
                let is_open = ask.query == Part::Wrong || ask.host == Part::Open || ask.page == Page::Allowed;
                assert!(status == 204 || (is_open && matches!(status, 400 | 403)), "expected 204");
            }
            Self::Unchanged => assert_eq!(status, 304),
            Self::Replayed(order) => {
                assert_eq!((status, &answer.body["orderId"]), (201, &(*order).into()));
                assert_eq!(answer.header("idempotency-replayed"), "true");
            }
            Self::Done(open) => {
                let is_known = ask.operation.statuses.contains(&status);
                let is_done = is_known && (status < 400 || matches!(status, 404 | 409));
                assert!(is_done || open.contains(&status), "expected a success");
            }
        }
        check_form(setup, ask, answer);
        self.check_sharing(setup, ask, answer);
    }

    /// Which pages may read the response.
    fn check_sharing(&self, setup: Setup, ask: &Ask, answer: &Answer) {
        assert_eq!(answer.headers.get("access-control-allow-credentials"), None);
        let is_shared = setup.cors && Who::of(&ask.operation).is_shared();
        let shown = answer.headers.get("access-control-allow-origin");
        let is_readable = is_shared && ask.page == Page::Allowed;
        assert!(shown.is_none() || (is_readable && shown.unwrap() == ALLOWED), "shared with {shown:?}");
        let is_plain_options =
            ask.method == Method::OPTIONS && !ask.headers.contains_key("access-control-request-method");
        if matches!(self, Self::Stopped(_)) || is_plain_options || answer.status == 403 {
            return;
        }
        assert_eq!(shown.is_some(), is_readable, "not shared");
        let vary = answer.headers.get_all("vary").iter().any(|names| names.to_str().unwrap().contains("origin"));
        assert!(vary || !is_shared, "no Vary: origin");
    }
}

/// The statuses that a request must get for where it comes from and how it is put, and those that it may get.
fn stops(setup: Setup, ask: &Ask) -> (Vec<u16>, Vec<u16>) {
    let (mut stops, mut open) = (ask.malformed.clone(), Vec::new());
    if setup.admin {
        return (stops, open);
    }
    let is_preflight = ask.headers.contains_key("access-control-request-method");
    match ask.page {
        Page::None | Page::Own => {}
        Page::Allowed if !Who::of(&ask.operation).is_shared() => stops.push(403),
        Page::Allowed if ask.method == Method::OPTIONS && !is_preflight => open.push(403),
        Page::Allowed => {}
        Page::Foreign => stops.push(403),
    }
    match ask.host {
        Part::Right => {}
        Part::Wrong => stops.push(403),
        Part::Open => open.push(403),
    }
    (stops, open)
}

/// A status for each thing that is wrong with a request that has come to its route.
fn wrongs(ask: &Ask) -> Vec<u16> {
    let mut wrong = Vec::new();
    wrong.extend((ask.query == Part::Wrong).then_some(400));
    // A user may have any name.
    let target = if ask.operation.path.ends_with("{userId}") { Target::There } else { ask.target };
    match target {
        Target::There => {}
        Target::Missing => wrong.push(404),
        Target::Malformed => wrong.extend([400, 404]),
    }
    if ask.content == Part::Wrong {
        wrong.extend([400, 415]);
    }
    let is_key_wrong = match ask.key {
        Key::None => false,
        Key::Valid(_) => ask.is_act() && !ask.places_an_order(),
        Key::Malformed => ask.is_act(),
    };
    wrong.extend(is_key_wrong.then_some(400));
    if ask.is_conditional() && target == Target::There {
        let sets_stock = ask.json.get("currentStock").is_some();
        let is_a_form = sets_stock && ask.json.as_object().is_some_and(|fields| fields.len() > 1);
        match ask.if_match {
            Condition::None => wrong.extend(is_a_form.then_some(428)),
            Condition::Holds => {}
            Condition::HoldsButStock => wrong.extend(sets_stock.then_some(412)),
            Condition::Fails => wrong.push(412),
        }
    }
    wrong
}

/// What every response has, whatever it is to.
fn check_form(setup: Setup, ask: &Ask, answer: &Answer) {
    assert!(answer.status < 500, "it failed");
    assert!(!answer.header("x-request-id").is_empty(), "no x-request-id");
    if answer.status == 201 {
        let beginning = format!("{}/api/v1/", setup.prefix());
        assert!(answer.header("location").starts_with(&beginning), "Location: {:?}", answer.header("location"));
    }
    if ask.is(&Method::POST, "/orders/batch") && answer.status == 200 {
        let results = answer.body["results"].as_array().unwrap();
        assert_eq!(results.len(), ask.json["orders"].as_array().unwrap().len());
        results.iter().filter(|result| result["status"] != 201).for_each(|result| {
            assert_code(result["status"].as_u64().unwrap() as u16, result["code"].as_str().unwrap());
        });
    }
    if answer.status < 400 {
        return;
    }
    // A name that is not ours and a page of others are rejected everywhere.
    let is_described = ask.operation.statuses.contains(&answer.status) || answer.status == 403;
    assert!(is_described || ask.method == Method::OPTIONS, "the description does not have this status");
    assert!(answer.header("content-type").starts_with("application/problem+json"), "{:?}", answer.headers);
    if ask.method == Method::HEAD {
        assert!(answer.body.is_null(), "a body for HEAD");
        return;
    }
    assert_is_problem(answer);
    assert_code(answer.status, answer.body["code"].as_str().unwrap());
    let instance = answer.body["instance"].as_str().unwrap();
    assert!(instance.starts_with(setup.prefix()), "instance: {instance}");
}

fn assert_code(status: u16, code: &str) {
    let is_listed = CODES.iter().any(|(known, codes)| *known == status && codes.contains(&code));
    assert!(is_listed, "{code} is no code of {status}");
}
