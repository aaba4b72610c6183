//! The moments that explain the series: the newest ones, numbered.

use std::collections::VecDeque;

use crate::domain::clock::Timestamp;
use crate::domain::series::EventKind;
use crate::limits::{HISTORY_EVENTS, MAX_EVENT_MESSAGE_BYTES};

use super::point::take;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// Counts all events.
    pub(super) sequence: u64,
    pub(super) at: Timestamp,
    pub(super) kind: EventKind,
    /// The product that it is about, if it is about one.
    pub(super) product: Option<u64>,
    /// The id of the store's history, so that a start sees that the store was restored.
    pub(super) history: [u8; 16],
    pub(super) message: String,
}

/// Bytes of an event in the file.
pub(super) const EVENT_BYTES: usize = 8 + 8 + 1 + 8 + 16 + 2 + MAX_EVENT_MESSAGE_BYTES;

/// The newest events, oldest first.
#[derive(Debug, Default)]
pub(super) struct Events(VecDeque<Event>);

impl Events {
    /// Adds an event and gives its slot in the file.
    pub(super) fn push(&mut self, event: Event) -> usize {
        let sequence = self.0.back().map_or(0, |last| last.sequence + 1);
        if self.0.len() == HISTORY_EVENTS {
            self.0.pop_front();
        }
        let message = shortened(event.message);
        self.0.push_back(Event { sequence, message, ..event });
        slot_of(sequence)
    }

    /// Puts the events that were read from the file in place of these.
    pub(super) fn replace(&mut self, mut events: Vec<Event>) {
        events.sort_unstable_by_key(|event| event.sequence);
        let newest = events.last().map_or(0, |last| last.sequence);
        events.retain(|event| newest - event.sequence < HISTORY_EVENTS as u64);
        self.0 = events.into();
    }

    /// The newest event.
    pub(super) fn last(&self) -> Option<&Event> {
        self.0.back()
    }

    /// All of them, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Event> {
        self.0.iter()
    }

    /// The event in a slot of the file.
    pub(super) fn slot(&self, slot: usize) -> Option<&Event> {
        self.0.iter().rev().find(|event| slot_of(event.sequence) == slot)
    }
}

const fn slot_of(sequence: u64) -> usize {
    (sequence % HISTORY_EVENTS as u64) as usize
}

/// The beginning of a message that fits a slot.
fn shortened(mut message: String) -> String {
    let mut end = message.len().min(MAX_EVENT_MESSAGE_BYTES);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message.truncate(end);
    message
}

impl Event {
    /// Its bytes in the file. A product has a number above 0.
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.sequence.to_le_bytes());
        bytes.extend(self.at.millis().to_le_bytes());
        bytes.push(self.kind as u8);
        bytes.extend(self.product.unwrap_or(0).to_le_bytes());
        bytes.extend(self.history);
        bytes.extend(u16::try_from(self.message.len()).unwrap_or(0).to_le_bytes());
        let end = bytes.len() + MAX_EVENT_MESSAGE_BYTES;
        bytes.extend(self.message.as_bytes());
        bytes.resize(end, 0);
    }

    /// Reads what [`Event::encode`] wrote, from the slot that it belongs in.
    pub(super) fn decode(mut bytes: &[u8], slot: usize) -> Option<Self> {
        let sequence = u64::from_le_bytes(take(&mut bytes)?);
        let at = Timestamp::from_millis(i64::from_le_bytes(take(&mut bytes)?));
        let [kind] = take::<1>(&mut bytes)?;
        let product = Some(u64::from_le_bytes(take(&mut bytes)?)).filter(|id| *id > 0);
        let history = take(&mut bytes)?;
        let length = u16::from_le_bytes(take(&mut bytes)?);
        let message = std::str::from_utf8(bytes.get(..length.into())?).ok()?.to_owned();
        let kind = *EventKind::ALL.get(usize::from(kind))?;
        (slot_of(sequence) == slot).then_some(Self { sequence, at, kind, product, history, message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(message: &str) -> Event {
        Event {
            sequence: 0,
            at: Timestamp::from_millis(5),
            kind: EventKind::SoldOut,
            product: Some(3),
            history: [9; 16],
            message: message.to_owned(),
        }
    }

    #[test]
    fn the_newest_events_are_kept_and_come_back_from_their_bytes() {
        let mut events = Events::default();
        for number in 0..HISTORY_EVENTS + 3 {
            assert_eq!(events.push(event(&format!("event {number}"))), number % HISTORY_EVENTS);
        }
        assert_eq!(events.iter().count(), HISTORY_EVENTS);
        let read = (0..HISTORY_EVENTS).filter_map(|slot| {
            let mut bytes = Vec::new();
            events.slot(slot)?.encode(&mut bytes);
            assert_eq!(bytes.len(), EVENT_BYTES);
            Event::decode(&bytes, slot)
        });
        let mut again = Events::default();
        again.replace(read.collect());
        assert!(again.iter().eq(events.iter()));
        assert_eq!(again.last().unwrap().message, format!("event {}", HISTORY_EVENTS + 2));
    }

    #[test]
    fn a_long_message_is_cut_between_two_letters() {
        let mut events = Events::default();
        events.push(event(&"ü".repeat(MAX_EVENT_MESSAGE_BYTES)));
        let kept = &events.last().unwrap().message;
        assert!(kept.len() <= MAX_EVENT_MESSAGE_BYTES && kept.chars().all(|letter| letter == 'ü'));
    }
}
