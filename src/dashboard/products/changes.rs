//! The last changes of a product as lines, from its ledger.

use std::sync::Arc;

use serde_json::Value;

use crate::dashboard::state::Shared;
use crate::dashboard::text;
use crate::domain::clock::Timestamp;
use crate::domain::product::ProductId;
use crate::limits::SHOWN_CHANGES;
use crate::operator::ledger;

/// One change.
#[derive(Clone, Debug)]
pub(in crate::dashboard) struct ChangeLine {
    pub(in crate::dashboard) at: Timestamp,
    pub(in crate::dashboard) clock: String,
    pub(in crate::dashboard) what: String,
    pub(in crate::dashboard) who: String,
}

/// The fields of a product that a change of its terms names, and their nouns.
const FIELDS: [(&str, &str); 8] = [
    ("name", "name"),
    ("price", "price"),
    ("perUserLimit", "limit"),
    ("holdSeconds", "hold"),
    ("saleStartsAt", "start"),
    ("saleEndsAt", "end"),
    ("initialStock", "at first"),
    ("sku", "SKU"),
];

/// The last changes, newest first; none where the store is too busy to look.
pub(in crate::dashboard) async fn last(shared: &Shared, product: ProductId) -> Option<Vec<ChangeLine>> {
    let store = Arc::clone(&shared.store);
    let page = ledger::page(&store, product, None, SHOWN_CHANGES).await.ok()?;
    let now = shared.clock.now();
    let views = page.rows.iter().filter_map(ledger::Entry::view);
    Some(views.filter_map(|view| line(&serde_json::to_value(view).ok()?, now)).collect())
}

fn line(entry: &Value, now: Timestamp) -> Option<ChangeLine> {
    let at = Timestamp::parse(entry["at"].as_str()?).ok()?;
    let who = entry["actor"].as_str()?.to_owned();
    Some(ChangeLine { at, clock: text::moment(at, now), what: what(entry), who })
}

fn what(entry: &Value) -> String {
    let units = units(entry);
    let of_order = entry["orderId"].as_u64().map_or_else(String::new, |id| format!(", order {}", text::whole(id)));
    match entry["kind"].as_str().unwrap_or_default() {
        "created" => format!("created with {}", text::counted(units, "unit", "units")),
        "adjusted" | "edited" => edits(&entry["before"], &entry["after"]),
        "stopped" => "stopped with the whole sale".to_owned(),
        "started" => "started with the whole sale".to_owned(),
        kind => format!("{} {}{of_order}", text::counted(units, "unit", "units"), kind.replace('_', " ")),
    }
}

/// The most units that any count changed by.
fn units(entry: &Value) -> u64 {
    let deltas = ["currentDelta", "heldDelta", "soldDelta"].map(|name| entry[name].as_i64().unwrap_or_default());
    deltas.into_iter().map(i64::unsigned_abs).max().unwrap_or_default()
}

fn edits(before: &Value, after: &Value) -> String {
    let mut parts = Vec::new();
    let adjusted = |side: &Value| side["adjustedStock"].as_i64().unwrap_or_default();
    match adjusted(after) - adjusted(before) {
        0 => {}
        units => {
            let sign = if units < 0 { '\u{2212}' } else { '+' };
            parts.push(format!("stock {sign}{}", text::whole(units.unsigned_abs())));
        }
    }
    match (before["flashSaleActive"].as_bool(), after["flashSaleActive"].as_bool()) {
        (Some(true), Some(false)) => parts.push("sale stopped".to_owned()),
        (Some(false), Some(true)) => parts.push("sale started".to_owned()),
        _ => {}
    }
    match (before["hidden"].as_bool(), after["hidden"].as_bool()) {
        (Some(true), Some(false)) => parts.push("shown to buyers".to_owned()),
        (Some(false), Some(true)) => parts.push("hidden from buyers".to_owned()),
        _ => {}
    }
    let changed = FIELDS.iter().filter(|(field, _)| before[field] != after[field]);
    parts.extend(changed.map(|(field, noun)| {
        let [was, is] = [before, after].map(|side| value(field, &side[field]));
        format!("{noun} {was} → {is}")
    }));
    if parts.is_empty() { "saved without a change".to_owned() } else { parts.join(", ") }
}

fn value(field: &str, value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(time) if field.ends_with("At") => time.replace('T', " ").trim_end_matches('Z').to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.as_u64().map_or_else(|| number.to_string(), text::whole),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_change_is_a_short_line() {
        let product = |price: &str, adjusted: i64| json!({"price": price, "adjustedStock": adjusted});
        let entry = |kind: &str, before: Value, after: Value, held: i64| {
            json!({"kind": kind, "orderId": 7, "currentDelta": -held, "heldDelta": held, "soldDelta": 0,
                "before": before, "after": after})
        };
        for (entry, expected) in [
            (entry("edited", product("2.00", 0), product("1.50", 0), 0), "price 2.00 → 1.50"),
            (
                entry("edited", json!({"sku": null, "hidden": false}), json!({"sku": "TOY-Z", "hidden": true}), 0),
                "hidden from buyers, SKU none → TOY-Z",
            ),
            (entry("adjusted", product("2.00", 0), product("2.00", -5), 0), "stock \u{2212}5"),
            (entry("reserved_again", Value::Null, Value::Null, 1), "1 unit reserved again, order 7"),
        ] {
            assert_eq!(what(&entry), expected);
        }
    }
}
