//! One frame of the feed: written once, and shared by all clients that get it.

use std::sync::OnceLock;

use engineioxide::Str;
use serde::Serialize;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::domain::change::HistoryId;
use crate::domain::clock::Timestamp;
use crate::view::text::Words;

/// What clients can subscribe to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Metrics,
    Orders,
    Inventory,
    Alerts,
}

impl Words for Event {
    const ALL: &'static [Self] = &[Self::Metrics, Self::Orders, Self::Inventory, Self::Alerts];

    fn word(self) -> &'static str {
        match self {
            Self::Metrics => "metrics-update",
            Self::Orders => "order-update",
            Self::Inventory => "inventory-update",
            Self::Alerts => "system-alert",
        }
    }
}

/// A set of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Events(u8);

impl Events {
    pub(super) const ALL: Self = Self(0b1111);

    pub(super) const fn has(self, event: Event) -> bool {
        self.0 & 1 << event as u8 != 0
    }

    pub(super) const fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    pub(super) const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    pub(super) fn words(self) -> Vec<&'static str> {
        Event::ALL.iter().filter(|event| self.has(**event)).map(|event| event.word()).collect()
    }
}

impl From<Event> for Events {
    fn from(event: Event) -> Self {
        Self(1 << event as u8)
    }
}

impl FromIterator<Event> for Events {
    fn from_iter<I: IntoIterator<Item = Event>>(events: I) -> Self {
        events.into_iter().fold(Self::default(), |all, event| all.with(event.into()))
    }
}

/// Where Socket.IO clients can connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Namespace {
    Root,
    Monitoring,
}

impl Namespace {
    pub(super) const ALL: [Self; 2] = [Self::Root, Self::Monitoring];

    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Root => "/",
            Self::Monitoring => "/monitoring",
        }
    }

    /// What packets have before their data.
    pub(super) const fn prefix(self) -> &'static str {
        match self {
            Self::Root => "",
            Self::Monitoring => "/monitoring,",
        }
    }
}

/// Up to where a frame has everything, and when it was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    pub(super) sequence: u64,
    pub(super) history: HistoryId,
    pub(super) time: Timestamp,
}

/// One event with its data. What it looks like in a protocol is written when the first client needs it.
#[derive(Debug)]
pub(super) struct Frame {
    event: &'static str,
    data: String,
    stamp: String,
    websocket: OnceLock<Utf8Bytes>,
    socket_io: [OnceLock<Str>; 2],
}

impl Frame {
    pub(super) fn new(event: &'static str, data: &impl Serialize, stamp: Stamp) -> Self {
        let Stamp { sequence, history, time } = stamp;
        let stamp = format!(r#""sequence":{sequence},"history":"{history}","time":{}"#, time.millis());
        Self { event, data: json(data), stamp, websocket: OnceLock::new(), socket_io: [const { OnceLock::new() }; 2] }
    }

    /// As a text message of a plain WebSocket.
    pub(super) fn for_websocket(&self) -> Utf8Bytes {
        let Self { event, data, stamp, .. } = self;
        let text = || format!(r#"{{"event":"{event}","data":{data},{stamp}}}"#).into();
        self.websocket.get_or_init(text).clone()
    }

    /// As an event packet of Socket.IO, with the stamp as the second argument of the event.
    pub(super) fn for_socket_io(&self, namespace: Namespace) -> Str {
        let Self { event, data, stamp, .. } = self;
        let text = || format!(r#"2{}["{event}",{data},{{{stamp}}}]"#, namespace.prefix()).into();
        self.socket_io[namespace as usize].get_or_init(text).clone()
    }

    /// Its data, as JSON.
    pub(super) fn data(&self) -> &str {
        &self.data
    }
}

/// A value as JSON. Those of frames have text keys and finite numbers only, so this cannot fail.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_says_the_same_in_every_protocol() {
        let stamp = Stamp { sequence: 7, history: HistoryId([1; 16]), time: Timestamp::from_millis(5) };
        let frame = Frame::new("error", &serde_json::json!({"message": "a \"b\""}), stamp);
        let history = "01".repeat(16);
        let text = frame.for_websocket();
        let expected = serde_json::json!({
            "event": "error", "data": {"message": "a \"b\""}, "sequence": 7, "history": history, "time": 5,
        });
        assert_eq!(serde_json::from_str::<serde_json::Value>(text.as_str()).unwrap(), expected);
        let meta = serde_json::json!({"sequence": 7, "history": history, "time": 5});
        for namespace in Namespace::ALL {
            let packet = frame.for_socket_io(namespace);
            let json = packet.strip_prefix('2').and_then(|rest| rest.strip_prefix(namespace.prefix())).unwrap();
            let expected = serde_json::json!(["error", {"message": "a \"b\""}, meta]);
            assert_eq!(serde_json::from_str::<serde_json::Value>(json).unwrap(), expected);
        }
    }

    #[test]
    fn sets_of_events_are_what_was_put_into_them() {
        let all: Events = Event::ALL.iter().copied().collect();
        assert_eq!(all, Events::ALL);
        let some = all.without(Event::Orders.into());
        assert_eq!(some.words(), ["metrics-update", "inventory-update", "system-alert"]);
        assert!(!some.has(Event::Orders) && some.with(Event::Orders.into()) == all);
    }
}
