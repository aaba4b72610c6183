//! The store as tables in PostgreSQL.

use std::time::Instant;

use tokio_postgres::Client;

use crate::domain::clock::Timestamp;
use crate::domain::mirror::Mirror;
use crate::domain::order::{Order, OrderId};
use crate::domain::product::{Product, ProductId};
use crate::limits::{MIRROR_PAGE, MIRROR_RETRY, POSTGRES_BUSY_CHANGES};

use super::position::Position;
use super::source::Source;
use super::target::{Batch, Fault, Target};

mod columns;
pub(super) mod database;
mod migrations;
mod schema;
mod settings;
mod write;

pub use migrations::{Migration, MigrationFileError, generate};
pub use schema::Step;
pub(super) use settings::Settings;

use schema::SchemaError;
use settings::Connection;
use write::{Writer, away};

/// A database that mirrors the store.
#[derive(Debug)]
pub(super) struct Postgres {
    settings: Settings,
    source: Source,
    session: Option<Session>,
}

/// A connection with what belongs to it.
#[derive(Debug)]
struct Session {
    connection: Connection,
    writer: Writer,
    /// While everything is copied: the products, and the order after the last one that was copied.
    copied: Option<(Vec<i64>, i64)>,
    looked_at: Instant,
}

impl Postgres {
    /// A mirror that connects with these settings.
    pub(super) const fn new(settings: Settings, source: Source) -> Self {
        Self { settings, source, session: None }
    }
}

/// The session, which is there once it was connected.
fn session(session: &mut Option<Session>) -> Result<&mut Session, Fault> {
    session.as_mut().ok_or_else(|| Fault::Away("PostgreSQL: not connected".to_owned()))
}

fn schema_fault(error: SchemaError) -> Fault {
    match error {
        SchemaError::InUse => Fault::Away("another flashsale server mirrors into this database".to_owned()),
        error => Fault::Away(error.to_string()),
    }
}

async fn execute(client: &Client, sql: &str) -> Result<(), Fault> {
    client.batch_execute(sql).await.map_err(away)
}

impl Target for Postgres {
    const MIRROR: Mirror = Mirror::Postgres;
    const BUSY_CHANGES: u32 = POSTGRES_BUSY_CHANGES;

    async fn connect(&mut self) -> Result<Option<Position>, Fault> {
        // The old session holds the lock until it is gone.
        self.session = None;
        let connection = self.settings.connect().await.map_err(away)?;
        let client = &connection.client;
        schema::lock(client).await.map_err(schema_fault)?;
        let all =
            migrations::all(self.settings.migrations.as_deref()).map_err(|error| Fault::Away(error.to_string()))?;
        for migration in schema::migrate(client, &all).await.map_err(schema_fault)? {
            tracing::info!(version = migration.version, name = migration.name, "applied a migration to PostgreSQL");
        }
        // What a crash of the database loses of this session, its position says, and it is copied again.
        execute(client, "SET synchronous_commit = off").await?;
        let row = client.query_opt("SELECT history, sequence FROM mirror_position", &[]).await.map_err(away)?;
        let position = row.and_then(|row| {
            let sequence = row.get::<_, i64>(1);
            Position::parse(&row.get::<_, String>(0), sequence.cast_unsigned())
        });
        let writer = Writer::new(client).await.map_err(away)?;
        let looked_at = Instant::now();
        self.session = Some(Session { connection, writer, copied: None, looked_at });
        self.look().await?;
        Ok(position)
    }

    async fn apply(&mut self, batch: &Batch) -> Result<u64, Fault> {
        let Session { connection, writer, .. } = session(&mut self.session)?;
        let (client, job_ids) = (&connection.client, &self.source.deps.job_ids);
        execute(client, "BEGIN").await?;
        let mut rejected = writer.put(client, &batch.rows.products, job_ids).await?;
        rejected += writer.put(client, &batch.rows.orders, job_ids).await?;
        rejected += writer.delete(client, &batch.rows.deleted).await?;
        writer.keep(client, batch.position).await?;
        execute(client, "COMMIT").await?;
        Ok(rejected)
    }

    async fn begin(&mut self, products: &[Product]) -> Result<u64, Fault> {
        let Session { connection, writer, copied, .. } = session(&mut self.session)?;
        let client = &connection.client;
        execute(client, "BEGIN; DELETE FROM mirror_rejected").await?;
        let rejected = writer.put(client, products, &self.source.deps.job_ids).await?;
        *copied = Some((products.iter().map(|product| product.id.0.cast_signed()).collect(), 0));
        Ok(rejected)
    }

    async fn load(&mut self, orders: &[Order]) -> Result<u64, Fault> {
        let Session { connection, writer, copied, .. } = session(&mut self.session)?;
        let (client, ids) = (&connection.client, orders.iter().map(|order| order.id.0.cast_signed()));
        let (Some((_, next)), Some(last)) = (copied, ids.clone().next_back()) else { return Ok(0) };
        // Orders of another history are replaced, or deleted where the store has none of their number.
        let delete = "DELETE FROM orders WHERE id BETWEEN $1 AND $2 AND NOT id = ANY($3)";
        client.execute(delete, &[&*next, &last, &ids.collect::<Vec<_>>()]).await.map_err(away)?;
        *next = last + 1;
        writer.put(client, orders, &self.source.deps.job_ids).await
    }

    async fn finish(&mut self, position: Position) -> Result<(), Fault> {
        let Session { connection, writer, copied, .. } = session(&mut self.session)?;
        let client = &connection.client;
        let (products, next) = copied.take().unwrap_or_default();
        client.execute("DELETE FROM orders WHERE id >= $1", &[&next]).await.map_err(away)?;
        let stale = client.query("SELECT id FROM products WHERE NOT id = ANY($1)", &[&products]).await;
        let stale: Vec<_> =
            stale.map_err(away)?.iter().map(|row| ProductId(row.get::<_, i64>(0).cast_unsigned())).collect();
        writer.delete(client, &stale).await?;
        writer.keep(client, position).await?;
        execute(client, "COMMIT").await
    }

    async fn tick(&mut self, _now: Timestamp) -> Result<(), Fault> {
        if session(&mut self.session)?.looked_at.elapsed() < MIRROR_RETRY {
            return Ok(());
        }
        self.look().await?;
        self.retry().await
    }
}

impl Postgres {
    /// Notes how many connections the database has.
    async fn look(&mut self) -> Result<(), Fault> {
        let session = session(&mut self.session)?;
        session.looked_at = Instant::now();
        let count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()";
        let row = session.connection.client.query_one(count, &[]).await.map_err(away)?;
        let figures = self.source.deps.metrics.mirrors().of(Mirror::Postgres);
        figures.set_connections(row.get::<_, i64>(0).unsigned_abs());
        Ok(())
    }

    /// Tries the rows again that were rejected, as they are now: what was wrong may have been mended.
    async fn retry(&mut self) -> Result<(), Fault> {
        let Session { connection, writer, .. } = session(&mut self.session)?;
        if !writer.has_rejected {
            return Ok(());
        }
        let client = &connection.client;
        let most = i64::try_from(MIRROR_PAGE).unwrap_or(i64::MAX);
        // Products first, as orders refer to them.
        let rejected = "SELECT kind, id FROM mirror_rejected ORDER BY kind DESC, rejected_at LIMIT $1";
        let rejected = client.query(rejected, &[&most]).await.map_err(away)?;
        writer.has_rejected = !rejected.is_empty();
        let (mut products, mut orders) = (Vec::new(), Vec::new());
        for row in rejected {
            let id = row.get::<_, i64>(1).cast_unsigned();
            match row.get::<_, &str>(0) {
                "product" => products.push(ProductId(id)),
                _ => orders.push(OrderId(id)),
            }
        }
        let rows = self.source.rows_by_id(orders, products).await?;
        execute(client, "BEGIN").await?;
        writer.put(client, &rows.products, &self.source.deps.job_ids).await?;
        writer.put(client, &rows.orders, &self.source.deps.job_ids).await?;
        writer.delete(client, &rows.deleted).await?;
        execute(client, "COMMIT").await
    }
}
