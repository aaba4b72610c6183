//! What a client asks for: read, checked, and not more often than is allowed.

use std::time::Instant;

use serde::Deserialize;
use serde_json::Value;

use crate::limits::MAX_FEED_MESSAGES;
use crate::view::text::Words;

use super::frames::{Event, Events};

/// A request of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// The first one names all events that the client wants, further ones add to them.
    Subscribe(Events),
    Unsubscribe(Events),
    /// Adds the metrics, also where it is the first request.
    SubscribeMetrics,
    TotalOrders,
    InventoryLevels,
    BenchmarkReport,
}

const NAMES: &str = "subscribe, unsubscribe, subscribe-metrics, unsubscribe-metrics, fetch-total-orders, \
                     fetch-inventory-updates and get-benchmark-report";

/// A message of a plain WebSocket.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    event: String,
    #[serde(default)]
    data: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    events: Vec<String>,
}

impl Ask {
    /// Reads a message of a plain WebSocket; the error is a sentence.
    pub(super) fn of_message(text: &str) -> Result<Self, String> {
        match serde_json::from_str::<Message>(text) {
            Ok(message) => Self::of(&message.event, &message.data),
            Err(_) => {
                Err(r#"A message must look like {"event":"subscribe","data":{"events":["order-update"]}}"#.into())
            }
        }
    }

    /// Reads a request by its name and its data; the error is a sentence.
    pub(super) fn of(name: &str, data: &Value) -> Result<Self, String> {
        match name {
            "subscribe" => chosen(data).map(Self::Subscribe),
            "unsubscribe" => chosen(data).map(Self::Unsubscribe),
            "subscribe-metrics" => Ok(Self::SubscribeMetrics),
            "unsubscribe-metrics" => Ok(Self::Unsubscribe(Event::Metrics.into())),
            "fetch-total-orders" => Ok(Self::TotalOrders),
            "fetch-inventory-updates" => Ok(Self::InventoryLevels),
            "get-benchmark-report" => Ok(Self::BenchmarkReport),
            _ => Err(format!("There is no such request; there are {NAMES}")),
        }
    }
}

fn chosen(data: &Value) -> Result<Events, String> {
    let choice =
        Choice::deserialize(data).map_err(|_| r#"data must be {"events":[…]} with names of events"#.to_owned());
    let names = choice?.events;
    if names.is_empty() || names.len() > Event::ALL.len() {
        return Err(format!("events must be 1 to {} names", Event::ALL.len()));
    }
    let known = |name: &String| Event::of_word(name).ok_or_else(|| format!("events must be {}", Event::listed()));
    names.iter().map(known).collect()
}

/// How many messages a client has sent in this second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    since: Instant,
    spent: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self { since: Instant::now(), spent: 0 }
    }
}

impl Budget {
    /// Counts a message; the error is a sentence.
    pub(super) fn spend(&mut self) -> Result<(), String> {
        self.spend_at(Instant::now())
    }

    fn spend_at(&mut self, now: Instant) -> Result<(), String> {
        if now.duration_since(self.since).as_secs() > 0 {
            *self = Self { since: now, spent: 0 };
        }
        self.spent += 1;
        match self.spent <= MAX_FEED_MESSAGES {
            true => Ok(()),
            false => Err(format!("Too many messages: {MAX_FEED_MESSAGES} a second are allowed")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_and_whatever_else_comes_gets_a_sentence() {
        let events = |names: &[Event]| names.iter().copied().collect::<Events>();
        for (text, ask) in [
            (
                r#"{"event":"subscribe","data":{"events":["order-update","system-alert"]}}"#,
                Ask::Subscribe(events(&[Event::Orders, Event::Alerts])),
            ),
            (
                r#"{"data":{"events":["metrics-update","metrics-update"]},"event":"unsubscribe"}"#,
                Ask::Unsubscribe(events(&[Event::Metrics])),
            ),
            (r#"{"event":"subscribe-metrics"}"#, Ask::SubscribeMetrics),
            (r#"{"event":"unsubscribe-metrics","data":null}"#, Ask::Unsubscribe(events(&[Event::Metrics]))),
            (r#"{"event":"fetch-total-orders"}"#, Ask::TotalOrders),
            (r#"{"event":"fetch-inventory-updates","data":{}}"#, Ask::InventoryLevels),
            (r#"{"event":"get-benchmark-report"}"#, Ask::BenchmarkReport),
        ] {
            assert_eq!(Ask::of_message(text), Ok(ask), "{text}");
        }
        for (text, word) in [
            ("", "must look like"),
            ("[]", "must look like"),
            ("{}", "must look like"),
            (r#"{"event":7}"#, "must look like"),
            (r#"{"event":"subscribe","data":{},"more":1}"#, "must look like"),
            (r#"{"event":"dance"}"#, "no such request"),
            (r#"{"event":"subscribe"}"#, "data must be"),
            (r#"{"event":"subscribe","data":{"events":"order-update"}}"#, "data must be"),
            (r#"{"event":"subscribe","data":{"events":[]}}"#, "1 to 4"),
            (r#"{"event":"subscribe","data":{"events":["a","a","a","a","a"]}}"#, "1 to 4"),
            (r#"{"event":"subscribe","data":{"events":["orders"]}}"#, "system-alert"),
        ] {
            let error = Ask::of_message(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
        assert!(Ask::of_message(&"[".repeat(10_000)).is_err());
    }

    #[test]
    fn a_client_may_send_so_many_messages_a_second() {
        let mut budget = Budget::default();
        let start = budget.since;
        assert!((0..MAX_FEED_MESSAGES).all(|_| budget.spend_at(start).is_ok()));
        assert!(budget.spend_at(start).is_err());
        assert!(budget.spend_at(start + std::time::Duration::from_secs(1)).is_ok());
    }
}
