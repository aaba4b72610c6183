//! The store in Redis: products and orders as hashes, the live figures, and the changes as a stream.

use std::time::{Duration, Instant};

use ::redis::aio::MultiplexedConnection;
use ::redis::{Cmd, FromRedisValue, cmd};
use tokio::time::timeout;

use crate::domain::clock::Timestamp;
use crate::domain::mirror::Mirror;
use crate::domain::order::Order;
use crate::domain::product::Product;
use crate::limits::{
    MIRROR_CONNECT_TIMEOUT, MIRROR_RETRY, REDIS_CHANGES, REDIS_KEYS, REDIS_LIVE, REDIS_READS, REDIS_SWEEP,
};

use super::position::Position;
use super::source::Source;
use super::target::{Batch, Fault, Target};

mod fault;
mod info;
mod keys;
mod part;
mod rows;
mod settings;
mod transaction;

pub(super) use settings::Settings;

use fault::{away, fault};
use info::Info;
use keys::{About, Keys, RowName};
use part::{PartRows, Reach, parts};
use rows::{add_change, put_order, put_product, remove_product};
use transaction::{Known, Leaves, Token, Transaction, own};

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

    /// Begins a transaction.
    fn begin_with(&mut self, leaves: Leaves) -> Result<Transaction, Fault> {
        let session = session(&mut self.session)?;
        Ok(Transaction::new(&self.settings.keys, &self.token, &session.known, leaves))
    }

    /// Runs a transaction; gives how many rows were rejected that were not before.
    async fn commit(&mut self, transaction: Transaction, position: Option<Position>) -> Result<u64, Fault> {
        let session = session(&mut self.session)?;
        let said: Vec<String> = session.ask(&transaction.command()).await?;
        let rest = expect_done(&said, &self.settings.keys)?;
        if let Some(position) = position {
            session.known = [position.history.to_string(), position.sequence.to_string()];
        }
        let count = |index: usize| rest.get(index).and_then(|count| count.parse().ok()).unwrap_or(0);
        session.has_rejected = count(1) > 0;
        Ok(count(0))
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
        let mut transaction = self.begin_with(Leaves::Same)?;
        self.put(&mut transaction, &PartRows::all(&rows));
        self.commit(transaction, None).await.map(|_| ())
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
            let (position, mut transaction) = (self.keys().position().to_string(), self.begin_with(Leaves::Same)?);
            if next == 0 {
                transaction.row(RowName::Other, |row| row.run("HDEL", position, |words| _ = words.add("sweeping")));
                self.commit(transaction, None).await?;
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
        let mut transaction = self.begin_with(Leaves::Same)?;
        for (key, about) in found {
            let name = match about {
                About::Order(id) if !is_there(id) => RowName::Order(id),
                About::Job(id) if !id.is_some_and(is_there) => RowName::Other,
                _ => continue,
            };
            transaction.row(name, |row| row.run("UNLINK", String::from_utf8_lossy(key), |_| {}));
        }
        rows.deleted.iter().for_each(|id| remove_product(&mut transaction, self.keys(), *id));
        self.commit(transaction, None).await.map(|_| ())
    }

    /// Looks up how many reads found their key, and whether the answer is not too old yet.
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
        let mut session = Session {
            connection,
            known: Known::default(),
            sweep: None,
            has_rejected: false,
            retried_at: Instant::now(),
            looked_at: None,
        };
        let said: Vec<String> = session.ask(&own(self.keys(), &self.token)).await?;
        let [history, sequence, sweeping, rejected] = expect_done(&said, self.keys())? else {
            return Err(away("it gave an unknown response"));
        };
        // From now on another server in this place is another server.
        self.token.follows.clear();
        session.sweep = (!sweeping.is_empty()).then_some(0);
        session.has_rejected = rejected != "0";
        session.known = [history.clone(), sequence.clone()];
        let position = sequence.parse().ok().and_then(|sequence| Position::parse(history, sequence));
        self.session = Some(session);
        Ok(position)
    }
}

/// What a script said after the word that it is done.
fn expect_done<'s>(said: &'s [String], keys: &Keys) -> Result<&'s [String], Fault> {
    let words: Vec<&str> = said.iter().map(String::as_str).collect();
    Err(away(match words[..] {
        ["done", ..] => return Ok(&said[1..]),
        ["owned"] => format!(
            "another flashsale server mirrors into it below {}; give one of them another REDIS_PREFIX, or a database \
             of its own",
            keys.prefix()
        ),
        ["moved"] => "its position is not where this server left it; it is read again".to_owned(),
        ["type", key, found] => format!("the key {key} is a {found} of somebody else; remove it, or set REDIS_PREFIX"),
        ["full", wrong] => format!("it rejects too many rows; see the key {}; the last one: {wrong}", keys.rejected()),
        _ => "it gave an unknown response".to_owned(),
    }))
}

impl Target for Redis {
    const MIRROR: Mirror = Mirror::Redis;

    async fn connect(&mut self) -> Result<Option<Position>, Fault> {
        self.session = None;
        let connected = timeout(MIRROR_CONNECT_TIMEOUT, self.connect_now()).await;
        connected.unwrap_or_else(|_| Err(away(format!("no response within {} s", MIRROR_CONNECT_TIMEOUT.as_secs()))))
    }

    async fn apply(&mut self, batch: &Batch) -> Result<u64, Fault> {
        let mut rejected = 0;
        for part in parts(batch, REDIS_CHANGES) {
            let position = Position { sequence: part.last.sequence, ..batch.position };
            let mut transaction = self.begin_with(match part.reach {
                Reach::Whole => Leaves::Next(position, part.last.at),
                Reach::Amid => Leaves::Amid,
                Reach::End => Leaves::End(position, part.last.at),
            })?;
            self.put(&mut transaction, &part.rows);
            part.changes.iter().for_each(|change| add_change(&mut transaction, *change, position.history));
            rejected += self.commit(transaction, Some(position).filter(|_| part.reach != Reach::Amid)).await?;
        }
        Ok(rejected)
    }

    async fn begin(&mut self, products: &[Product]) -> Result<u64, Fault> {
        let (position, rejected) = (self.keys().position().to_string(), self.keys().rejected().to_string());
        let now = self.source.now();
        let mut transaction = self.begin_with(Leaves::Same)?;
        transaction.row(RowName::Other, |row| {
            row.run("HSET", position, |words| words.field("rebuilding", Some(&now)));
            row.run("DEL", rejected, |_| {});
        });
        let mut rejected = self.commit(transaction, None).await?;
        for products in products.chunks(REDIS_KEYS) {
            let mut transaction = self.begin_with(Leaves::Same)?;
            products.iter().for_each(|product| put_product(&mut transaction, self.keys(), product));
            rejected += self.commit(transaction, None).await?;
        }
        Ok(rejected)
    }

    async fn load(&mut self, orders: &[Order]) -> Result<u64, Fault> {
        let mut rejected = 0;
        for orders in orders.chunks(REDIS_KEYS) {
            let mut transaction = self.begin_with(Leaves::Same)?;
            let job_ids = &self.source.deps.job_ids;
            orders.iter().for_each(|order| put_order(&mut transaction, self.keys(), order, job_ids));
            rejected += self.commit(transaction, None).await?;
        }
        Ok(rejected)
    }

    async fn finish(&mut self, position: Position) -> Result<(), Fault> {
        let transaction = self.begin_with(Leaves::Rebuilt(position, self.source.now()))?;
        self.commit(transaction, Some(position)).await?;
        // What is not in the store goes little by little: there may be more keys than one step has time for.
        session(&mut self.session)?.sweep = Some(0);
        Ok(())
    }

    async fn tick(&mut self, _now: Timestamp) -> Result<(), Fault> {
        let (metrics, live) = (self.keys().metrics().to_string(), (self.source.deps.live)());
        let mut transaction = self.begin_with(Leaves::Same)?;
        transaction.row(RowName::Other, |row| {
            row.run("SET", metrics, |words| _ = words.add(live).add("PX").add(millis(REDIS_LIVE)));
        });
        self.commit(transaction, None).await?;
        self.look().await?;
        let session = session(&mut self.session)?;
        let (is_sweeping, has_rejected) = (session.sweep.is_some(), session.has_rejected);
        if has_rejected && session.retried_at.elapsed() >= MIRROR_RETRY {
            self.retry().await?;
        }
        if is_sweeping { self.sweep().await } else { Ok(()) }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
