//! The store in Redis: products and orders as hashes, the live figures, and the changes as a stream.

use std::time::Instant;

use ::redis::aio::MultiplexedConnection;
use ::redis::{Cmd, FromRedisValue, Value, cmd};
use tokio::time::timeout;

use crate::domain::clock::Timestamp;
use crate::domain::mirror::Mirror;
use crate::domain::order::Order;
use crate::domain::product::Product;
use crate::limits::{
    MIRROR_CONNECT_TIMEOUT, MIRROR_RETRY, REDIS_BUSY_CHANGES, REDIS_CHANGES, REDIS_KEYS, REDIS_LIVE, REDIS_READS,
    REDIS_REJECTED, REDIS_SWEEP,
};

use super::position::Position;
use super::source::Source;
use super::target::{Batch, Fault, Target};

mod fault;
mod info;
mod keys;
mod part;
mod rows;
mod seen;
mod settings;
mod transaction;

pub(super) use settings::Settings;

use fault::{away, fault};
use info::Info;
use keys::{About, Keys, RowName};
use part::{PartRows, parts};
use rows::{add_change, put_order, put_product, remove_product};
use seen::{Known, Seen, Token};
use transaction::{Leaves, Transaction, millis};

/// A Redis server that mirrors the store.
#[derive(Debug)]
pub(super) struct Redis {
    settings: Settings,
    source: Source,
    token: Token,
    session: Option<Session>,
}

/// A connection with what belongs to it.
struct Session {
    connection: MultiplexedConnection,
    known: Known,
    /// Where the search is for what is not in the store; none where all was found.
    sweep: Option<u64>,
    has_rejected: bool,
    retried_at: Instant,
    /// When the reads of all clients were last looked up.
    looked_at: Option<Instant>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("known", &self.known).field("sweep", &self.sweep).finish_non_exhaustive()
    }
}

impl Session {
    async fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, Fault> {
        command.query_async(&mut self.connection).await.map_err(|error| fault(&error))
    }

    /// How many of these rows are not among those that are put aside.
    async fn count_new(&mut self, keys: &Keys, names: &[String]) -> Result<u64, Fault> {
        if names.is_empty() {
            return Ok(0);
        }
        let known = cmd("HMGET").arg(keys.rejected().to_string()).arg(names).take();
        let known: Vec<Option<String>> = self.ask(&known).await?;
        Ok(known.iter().filter(|row| row.is_none()).count() as u64)
    }
}

/// The session, which is there once it was connected.
fn session(session: &mut Option<Session>) -> Result<&mut Session, Fault> {
    session.as_mut().ok_or_else(|| away("not connected"))
}

impl Redis {
    /// A mirror that connects with these settings.
    pub(super) fn new(settings: Settings, source: Source) -> Self {
        let history = source.head().history;
        let text = format!("{history}:{:016x}", fastrand::u64(..));
        Self { settings, source, token: Token { text, follows: format!("{history}:") }, session: None }
    }

    const fn keys(&self) -> &Keys {
        &self.settings.keys
    }

    /// Runs a transaction; gives how many rows are put aside that were not before.
    async fn commit(&mut self, transaction: Transaction, leaves: Leaves) -> Result<u64, Fault> {
        let (keys, session) = (&self.settings.keys, session(&mut self.session)?);
        let seen = Seen::look(&mut session.connection, keys, &self.token, &transaction.keys()).await?;
        if seen.known != session.known {
            return Err(away("its position is not where this server left it; it is read again"));
        }
        let obstacles = transaction.obstacles(&seen);
        session.has_rejected = seen.rejected > 0 || obstacles.iter().any(Option::is_some);
        let new = session.count_new(keys, &transaction.names(&obstacles)).await?;
        if seen.rejected + new > REDIS_REJECTED {
            let last = obstacles.into_iter().flatten().next_back().unwrap_or_default();
            let rejected = keys.rejected();
            return Err(away(format!("too many rows are put aside; see the key {rejected}; the last one: {last}")));
        }
        let commands = transaction.commands(keys, &self.token, &seen, obstacles, leaves);
        let done: Option<Vec<Value>> =
            commands.query_async(&mut session.connection).await.map_err(|error| fault(&error))?;
        if done.is_none() {
            return Err(away("somebody changed what the mirror depends on; it is read again"));
        }
        if let Leaves::Next(position, _) | Leaves::Rebuilt(position, _) = leaves {
            session.known = [position.history.to_string(), position.sequence.to_string()];
        }
        Ok(new)
    }

    /// Adds rows as they are.
    fn put(&self, transaction: &mut Transaction, rows: &PartRows<'_>) {
        let (keys, job_ids) = (self.keys(), &self.source.deps.job_ids);
        rows.products.iter().for_each(|product| put_product(transaction, keys, product));
        rows.deleted.iter().for_each(|id| remove_product(transaction, keys, *id));
        rows.orders.iter().for_each(|order| put_order(transaction, keys, order, job_ids));
    }

    /// Tries the rows again that were rejected, as they are now: what was wrong may have been mended.
    async fn retry(&mut self) -> Result<(), Fault> {
        let rejected = cmd("HKEYS").arg(self.keys().rejected().to_string()).take();
        let session = session(&mut self.session)?;
        session.retried_at = Instant::now();
        let names: Vec<String> = session.ask(&rejected).await?;
        let (mut orders, mut products) = (Vec::new(), Vec::new());
        for name in names {
            match RowName::parse(&name) {
                RowName::Order(id) => orders.push(id),
                RowName::Product(id) => products.push(id),
                RowName::Other => {}
            }
        }
        let rows = self.source.rows_by_id(orders, products).await?;
        let mut transaction = Transaction::default();
        self.put(&mut transaction, &PartRows::all(&rows));
        self.commit(transaction, Leaves::Same).await.map(drop)
    }

    /// Removes what is not in the store, for a while. It is done with all keys at the end.
    async fn sweep(&mut self) -> Result<(), Fault> {
        let began = Instant::now();
        while began.elapsed() < REDIS_SWEEP {
            let pattern = format!("{}*", self.keys().prefix());
            let session = session(&mut self.session)?;
            let Some(cursor) = session.sweep else { break };
            let scan = cmd("SCAN").arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(REDIS_KEYS).take();
            let (next, found): (u64, Vec<Vec<u8>>) = session.ask(&scan).await?;
            self.remove_stale(&found).await?;
            if next == 0 {
                let position = self.keys().position().to_string();
                let mut transaction = Transaction::default();
                transaction.row(RowName::Other, |row| row.run("HDEL", position, |words| _ = words.add("sweeping")));
                self.commit(transaction, Leaves::Same).await?;
            }
            if let Some(session) = &mut self.session {
                session.sweep = Some(next).filter(|next| *next > 0);
            }
        }
        Ok(())
    }

    /// Removes those of these keys that are about rows that are not in the store.
    async fn remove_stale(&mut self, found: &[Vec<u8>]) -> Result<(), Fault> {
        let job_ids = &self.source.deps.job_ids;
        let found: Vec<_> = found.iter().filter_map(|key| Some((key, self.keys().about(key, job_ids)?))).collect();
        let (mut orders, mut products) = (Vec::new(), Vec::new());
        for (_, about) in &found {
            match about {
                About::Order(id) | About::Job(Some(id)) => orders.push(*id),
                About::Product(id) => products.push(*id),
                About::Job(None) => {}
            }
        }
        let rows = self.source.rows_by_id(orders, products).await?;
        let is_there = |id| rows.orders.binary_search_by_key(&id, |order| order.id).is_ok();
        let mut transaction = Transaction::default();
        for (key, about) in found {
            let name = match about {
                About::Order(id) if !is_there(id) => RowName::Order(id),
                About::Job(id) if !id.is_some_and(is_there) => RowName::Other,
                _ => continue,
            };
            transaction.row(name, |row| row.run("UNLINK", String::from_utf8_lossy(key), |_| {}));
        }
        rows.deleted.iter().for_each(|id| remove_product(&mut transaction, self.keys(), *id));
        self.commit(transaction, Leaves::Same).await.map(drop)
    }

    /// Notes how many reads of all clients found their key, unless that was looked up a moment ago.
    async fn look(&mut self) -> Result<(), Fault> {
        let session = session(&mut self.session)?;
        if session.looked_at.is_some_and(|at| at.elapsed() < REDIS_READS) {
            return Ok(());
        }
        session.looked_at = Some(Instant::now());
        if let Some(info) = Info::read(&mut session.connection, "stats").await? {
            let figures = self.source.deps.metrics.mirrors().of(Mirror::Redis);
            figures.set_reads(info.number("keyspace_hits"), info.number("keyspace_misses"));
        }
        Ok(())
    }

    async fn connect_now(&mut self) -> Result<Option<Position>, Fault> {
        let mut connection = self.settings.connect().await.map_err(|error| fault(&error))?;
        if let Some(info) = Info::read(&mut connection, "everything").await? {
            info.check()?;
        }
        let seen = Seen::look(&mut connection, self.keys(), &self.token, &[]).await?;
        let position = seen.known[1].parse().ok().and_then(|sequence| Position::parse(&seen.known[0], sequence));
        self.session = Some(Session {
            connection,
            known: seen.known,
            sweep: seen.is_sweeping.then_some(0),
            has_rejected: seen.rejected > 0,
            retried_at: Instant::now(),
            looked_at: None,
        });
        // Takes the keys for this server. From now on another server in this place is another server.
        self.commit(Transaction::default(), Leaves::Same).await?;
        self.token.follows.clear();
        Ok(position)
    }
}

impl Target for Redis {
    const MIRROR: Mirror = Mirror::Redis;
    const BUSY_CHANGES: u32 = REDIS_BUSY_CHANGES;

    async fn connect(&mut self) -> Result<Option<Position>, Fault> {
        self.session = None;
        let connected = timeout(MIRROR_CONNECT_TIMEOUT, self.connect_now()).await;
        connected.unwrap_or_else(|_| Err(away(format!("no response within {} s", MIRROR_CONNECT_TIMEOUT.as_secs()))))
    }

    async fn apply(&mut self, batch: &Batch) -> Result<u64, Fault> {
        let mut rejected = 0;
        for part in parts(batch, REDIS_CHANGES) {
            let position = Position { sequence: part.last.sequence, ..batch.position };
            let mut transaction = Transaction::default();
            self.put(&mut transaction, &part.rows);
            part.changes.iter().for_each(|change| add_change(&mut transaction, *change, position.history));
            let leaves = if part.ends_record { Leaves::Next(position, part.last.at) } else { Leaves::Same };
            rejected += self.commit(transaction, leaves).await?;
        }
        Ok(rejected)
    }

    async fn begin(&mut self, products: &[Product]) -> Result<u64, Fault> {
        let (position, rejected) = (self.keys().position().to_string(), self.keys().rejected().to_string());
        let now = self.source.now();
        let mut transaction = Transaction::default();
        transaction.row(RowName::Other, |row| {
            row.run("HSET", position, |words| words.field("rebuilding", Some(&now)));
            row.run("DEL", rejected, |_| {});
        });
        let mut rejected = self.commit(transaction, Leaves::Same).await?;
        for products in products.chunks(REDIS_KEYS) {
            let mut transaction = Transaction::default();
            products.iter().for_each(|product| put_product(&mut transaction, self.keys(), product));
            rejected += self.commit(transaction, Leaves::Same).await?;
        }
        Ok(rejected)
    }

    async fn load(&mut self, orders: &[Order]) -> Result<u64, Fault> {
        let mut rejected = 0;
        for orders in orders.chunks(REDIS_KEYS) {
            let mut transaction = Transaction::default();
            let job_ids = &self.source.deps.job_ids;
            orders.iter().for_each(|order| put_order(&mut transaction, self.keys(), order, job_ids));
            rejected += self.commit(transaction, Leaves::Same).await?;
        }
        Ok(rejected)
    }

    async fn finish(&mut self, position: Position) -> Result<(), Fault> {
        self.commit(Transaction::default(), Leaves::Rebuilt(position, self.source.now())).await?;
        // What is not in the store goes little by little: there may be more keys than one step has time for.
        session(&mut self.session)?.sweep = Some(0);
        Ok(())
    }

    async fn tick(&mut self, _now: Timestamp) -> Result<(), Fault> {
        let (metrics, live) = (self.keys().metrics().to_string(), (self.source.deps.live)());
        let mut transaction = Transaction::default();
        transaction.row(RowName::Other, |row| {
            row.run("SET", metrics, |words| _ = words.add(live).add("PX").add(millis(REDIS_LIVE)));
        });
        self.commit(transaction, Leaves::Same).await?;
        self.look().await?;
        let session = session(&mut self.session)?;
        let (is_sweeping, has_rejected) = (session.sweep.is_some(), session.has_rejected);
        if has_rejected && session.retried_at.elapsed() >= MIRROR_RETRY {
            self.retry().await?;
        }
        if is_sweeping { self.sweep().await } else { Ok(()) }
    }
}
