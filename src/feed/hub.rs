//! The one task of the feed, with one tail for all clients.
//!
//! It owns the clients and the position in the history. So a snapshot and the first update after it leave no gap, and
//! all that a client gets is in the order of the history. It writes nothing itself: it puts frames into bounded queues.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use foldhash::fast::RandomState;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::alerts;
use crate::domain::alert::Alert;
use crate::limits::{
    FEED_CLIENTS_PER_TICK, FEED_LONGEST_ROUND, FEED_TICK, FEWEST_FEED_ORDERS, MAX_FEED_ALERTS, MAX_FEED_ORDERS,
};
use crate::store::{FellBehind, Tail};
use crate::view::feed::{FeedErrorView, SubscriptionView};
use crate::view::text::Words;

use super::asks::Ask;
use super::changes::Changes;
use super::client::{Client, Sent};
use super::door::Command;
use super::frames::{Event, Events, Frame, json};
use super::sources::Sources;

/// Records of the history that are looked at in one piece.
const RECORDS_AT_ONCE: usize = 1_024;

/// How long a look-up of orders may take before they are only counted.
const LOOK_UP: Duration = Duration::from_millis(100);

/// The state of the task.
#[derive(Debug)]
pub(super) struct Hub {
    sources: Sources,
    clients: HashMap<u64, Client, RandomState>,
    tail: Tail,
    happened: broadcast::Receiver<alerts::Event>,
    changes: Changes,
    /// Whether the metrics have changed since the last round.
    has_new_metrics: bool,
    /// Ticks since the last round.
    waited: u32,
    /// What clients begin with, as it was in this tick.
    snapshot: Option<Snapshot>,
    /// The newest frames of alerts, by number, for clients that have lost some.
    alerts: VecDeque<(u64, Frame)>,
    last_alert: u64,
}

/// What a client begins with, or begins anew with after it has lost frames.
#[derive(Debug)]
struct Snapshot {
    metrics: Frame,
    inventory: Vec<Frame>,
    raised: Vec<Frame>,
}

impl Snapshot {
    /// What of it a client with these events gets.
    fn of(&self, events: Events) -> impl Iterator<Item = &Frame> + Clone {
        let if_wanted = move |event| if events.has(event) { usize::MAX } else { 0 };
        let metrics = std::iter::once(&self.metrics).take(if_wanted(Event::Metrics));
        let inventory = self.inventory.iter().take(if_wanted(Event::Inventory));
        metrics.chain(inventory).chain(self.raised.iter().take(if_wanted(Event::Alerts)))
    }
}

impl Hub {
    pub(super) fn new(sources: Sources) -> Self {
        let (tail, happened) = (sources.tail(), sources.alerts.subscribe());
        Self {
            sources,
            clients: HashMap::default(),
            tail,
            happened,
            changes: Changes::default(),
            has_new_metrics: false,
            waited: 0,
            snapshot: None,
            alerts: VecDeque::new(),
            last_alert: 0,
        }
    }

    /// Serves clients until the server stops. While there are none it waits for the first one, and does nothing else.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>, mut stopped: watch::Receiver<bool>) {
        let mut ticks = interval(FEED_TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut samples = self.sources.monitor.samples();
        let stop = async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        tokio::pin!(stop);
        loop {
            let is_alone = self.clients.is_empty();
            tokio::select! {
                biased;
                () = &mut stop => break,
                _ = ticks.tick(), if !is_alone => self.tick().await,
                Ok(()) = samples.changed(), if !is_alone => self.has_new_metrics = true,
                event = self.happened.recv(), if !is_alone => self.note_event(event),
                command = commands.recv() => match command {
                    Some(command) => {
                        if is_alone {
                            self.begin();
                        }
                        self.obey(command);
                    }
                    None => break,
                },
            }
        }
        // With their queues, clients end. To tell Socket.IO clients that they are sent away would keep them from coming
        // back.
    }

    /// Begins at the end of the history, as nobody has anything of what was before.
    fn begin(&mut self) {
        self.happened = self.sources.alerts.subscribe();
        self.start_over();
        self.waited = 0;
    }

    fn start_over(&mut self) {
        self.tail.skip_to_head();
        self.sources.read_history();
        self.changes.clear();
        self.snapshot = None;
        self.clients.values_mut().for_each(|client| client.is_behind = true);
    }

    async fn tick(&mut self) {
        self.clients.retain(|_, client| !client.is_gone());
        self.catch_up();
        self.waited += 1;
        if self.waited < ticks_of_a_round(self.clients.len()) {
            return;
        }
        self.waited = 0;
        if self.clients.values().any(|client| client.events.has(Event::Orders)) {
            self.find_users().await;
        }
        self.send_round();
    }

    /// Notes what was committed. What has left memory before it was looked at is skipped.
    fn catch_up(&mut self) {
        loop {
            match self.tail.next_in_memory(RECORDS_AT_ONCE) {
                Ok(records) if records.is_empty() => return,
                Ok(records) => {
                    self.snapshot = None;
                    records.iter().for_each(|record| self.changes.note(record));
                }
                Err(FellBehind) => return self.start_over(),
            }
        }
    }

    /// Looks up whose the latest orders are that were placed a while ago.
    async fn find_users(&mut self) {
        let unknown = self.changes.unknown();
        if unknown.is_empty() {
            return;
        }
        let found = timeout(LOOK_UP, self.sources.orders(unknown)).await;
        found.into_iter().flatten().for_each(|order| self.changes.put_user(&order));
    }

    /// Sends what has changed since the last round.
    fn send_round(&mut self) {
        let stamp = self.sources.stamp(&self.tail);
        let mut frames: Vec<(Event, Frame)> = Vec::new();
        if std::mem::take(&mut self.has_new_metrics) {
            frames.push((Event::Metrics, self.sources.metrics(stamp)));
        }
        let orders = self
            .changes
            .take_orders(orders_of_a_frame(self.clients.len()), |view| Frame::new(Event::Orders.word(), view, stamp));
        frames.extend(orders.map(|frame| (Event::Orders, frame)));
        let products = self.changes.take_products();
        frames.extend(self.sources.changed(&products, stamp).into_iter().map(|frame| (Event::Inventory, frame)));
        let all: Vec<u64> = self.clients.keys().copied().collect();
        for id in all {
            let Some(client) = self.clients.get_mut(&id) else { continue };
            if client.is_behind {
                // Alerts that have ended are in no snapshot.
                match self.last_alert - client.alert > self.alerts.len() as u64 && client.events.has(Event::Alerts) {
                    true => self.end(id, CloseCode::Again, "too many alerts were lost; connect again"),
                    false => self.bring_up_to_date(id),
                }
                continue;
            }
            let events = client.events;
            let wanted = frames.iter().filter(|(event, _)| events.has(*event)).map(|(_, frame)| frame);
            match client.send(wanted) {
                Sent::All => {}
                Sent::NoRoom => client.is_behind = true,
                Sent::Gone => drop(self.clients.remove(&id)),
            }
        }
    }

    /// Sends a client that has lost frames what it needs to begin anew, once it has room for that.
    fn bring_up_to_date(&mut self, id: u64) {
        let snapshot = self.snapshot.take().unwrap_or_else(|| self.make_snapshot());
        let Some(client) = self.clients.get_mut(&id) else { return };
        let (seen, events) = (client.alert, client.events);
        let wants_alerts = events.has(Event::Alerts);
        let missed = self.alerts.iter().filter(move |(number, _)| wants_alerts && *number > seen);
        match client.send(snapshot.of(events).chain(missed.map(|(_, frame)| frame))) {
            Sent::All => (client.is_behind, client.alert) = (false, self.last_alert),
            Sent::NoRoom => {}
            Sent::Gone => drop(self.clients.remove(&id)),
        }
        self.snapshot = Some(snapshot);
    }

    fn make_snapshot(&self) -> Snapshot {
        let stamp = self.sources.stamp(&self.tail);
        Snapshot {
            metrics: self.sources.metrics(stamp),
            inventory: self.sources.inventory(stamp),
            raised: self.sources.raised(stamp),
        }
    }

    fn note_event(&mut self, event: Result<alerts::Event, RecvError>) {
        match event {
            Ok(alerts::Event::AlertRaised(alert)) => self.send_alert(&alert, false),
            Ok(alerts::Event::AlertResolved(alert)) => self.send_alert(&alert, true),
            // Each of them is an alert as well.
            Ok(alerts::Event::SaleStarted { .. } | alerts::Event::SaleEnded { .. }) => {}
            Err(RecvError::Lagged(lost)) => {
                self.last_alert += lost;
                self.alerts.clear();
                self.start_over();
            }
            Err(RecvError::Closed) => {}
        }
    }

    fn send_alert(&mut self, alert: &Alert, resolved: bool) {
        self.snapshot = None;
        let stamp = self.sources.stamp(&self.tail);
        let frame = self.sources.alert(alert, resolved, stamp);
        self.last_alert += 1;
        for client in self.clients.values_mut() {
            if !client.events.has(Event::Alerts) {
                client.alert = self.last_alert;
            } else if !client.is_behind {
                match client.send(std::iter::once(&frame)) {
                    Sent::All => client.alert = self.last_alert,
                    Sent::NoRoom | Sent::Gone => client.is_behind = true,
                }
            }
        }
        if self.alerts.len() == MAX_FEED_ALERTS {
            self.alerts.pop_front();
        }
        self.alerts.push_back((self.last_alert, frame));
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Join { client, way } => {
                self.clients.insert(client, Client::new(way, self.last_alert));
                self.send_snapshot(client, Events::ALL);
            }
            Command::Leave { client } => drop(self.clients.remove(&client)),
            Command::Ask { client, ask, ack } => match ask {
                Ok(ask) => self.answer(client, ask, ack),
                Err(message) => self.complain(client, &message, ack),
            },
        }
    }

    /// Sends what a client begins with of some events.
    fn send_snapshot(&mut self, id: u64, events: Events) {
        let snapshot = self.snapshot.take().unwrap_or_else(|| self.make_snapshot());
        if let Some(client) = self.clients.get_mut(&id) {
            client.is_behind |= client.send(snapshot.of(events)) == Sent::NoRoom;
        }
        self.snapshot = Some(snapshot);
    }

    fn answer(&mut self, id: u64, ask: Ask, ack: Option<u64>) {
        let stamp = self.sources.stamp(&self.tail);
        let frame = match ask {
            Ask::Subscribe(events) => {
                return self.choose(id, ack, |now, chose| {
                    let before = if chose { now } else { Events::default() };
                    before.with(events)
                });
            }
            Ask::Unsubscribe(events) => return self.choose(id, ack, |now, _| now.without(events)),
            Ask::SubscribeMetrics => return self.subscribe_metrics(id, ack),
            Ask::TotalOrders => self.sources.total_orders(stamp),
            Ask::InventoryLevels => self.sources.inventory_levels(stamp),
            Ask::BenchmarkReport => self.sources.benchmark_report(stamp),
        };
        self.respond(id, &frame, ack);
    }

    /// Sends the response to a request; one that does not fit is lost, as other frames are.
    fn respond(&mut self, id: u64, frame: &Frame, ack: Option<u64>) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.is_behind |= client.send(std::iter::once(frame)) == Sent::NoRoom;
            if let Some(ack) = ack {
                client.acknowledge(ack, frame.data());
            }
        }
    }

    /// Adds the metrics to what a client gets. It gets them at once, also where it had them.
    fn subscribe_metrics(&mut self, id: u64, ack: Option<u64>) {
        let had = self.clients.get(&id).is_some_and(|client| client.events.has(Event::Metrics));
        self.choose(id, ack, |now, _| now.with(Event::Metrics.into()));
        if had {
            self.send_snapshot(id, Event::Metrics.into());
        }
    }

    /// Changes the events that a client gets, and sends it what it begins with of those that it did not get before.
    fn choose(&mut self, id: u64, ack: Option<u64>, choose: impl FnOnce(Events, bool) -> Events) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let before = client.events;
        client.events = choose(before, std::mem::replace(&mut client.has_chosen, true));
        let added = client.events.without(before);
        if added.has(Event::Alerts) {
            client.alert = self.last_alert;
        }
        if let Some(ack) = ack {
            client.acknowledge(ack, &json(&SubscriptionView { events: client.events.words() }));
        }
        self.send_snapshot(id, added);
    }

    /// Tells a client that its message was not understood, and ends one that sends too many of them.
    fn complain(&mut self, id: u64, message: &str, ack: Option<u64>) {
        let frame = Frame::new("error", &FeedErrorView { message }, self.sources.stamp(&self.tail));
        self.respond(id, &frame, ack);
        if self.clients.get_mut(&id).is_some_and(Client::count_error) {
            self.end(id, CloseCode::Policy, "too many messages that are not requests");
        }
    }

    fn end(&mut self, id: u64, code: CloseCode, reason: &'static str) {
        if let Some(client) = self.clients.remove(&id) {
            client.end(CloseFrame { code, reason: reason.into() });
        }
    }
}

/// How many ticks one round takes with so many clients: all of them together get a bounded number of rounds a second,
/// so that many clients cost orders no more than few.
const fn ticks_of_a_round(clients: usize) -> u32 {
    let ticks = clients.div_ceil(FEED_CLIENTS_PER_TICK);
    if ticks > FEED_LONGEST_ROUND as usize { FEED_LONGEST_ROUND } else { ticks as u32 }
}

/// How many orders a frame lists at most with so many clients: less is written where there are many to write it to.
const fn orders_of_a_frame(clients: usize) -> usize {
    let ticks = ticks_of_a_round(clients) as usize;
    let orders = if ticks > 1 { MAX_FEED_ORDERS / ticks } else { MAX_FEED_ORDERS };
    if orders < FEWEST_FEED_ORDERS { FEWEST_FEED_ORDERS } else { orders }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_clients_get_fewer_rounds_and_at_least_one_a_second() {
        assert_eq!([0, 1, 100, 101, 500, 1_000, 50_000].map(ticks_of_a_round), [0, 1, 1, 2, 5, 10, 10]);
        assert_eq!(FEED_TICK * FEED_LONGEST_ROUND, Duration::from_secs(1));
        assert_eq!([1, 100, 101, 300, 1_000, 50_000].map(orders_of_a_frame), [100, 100, 50, 33, 20, 20]);
    }
}
