//! The schema of a database: which migrations it has, and applying and reverting them.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use super::migrations::Migration;
use crate::mirror::causes::with_causes;

/// Held by the session that mirrors into a database, so that there is one.
pub(super) const MIRROR_LOCK: i64 = 0x666c_6173_6873_616c;
/// Held while the schema is changed.
const SCHEMA_LOCK: i64 = MIRROR_LOCK + 1;

const CREATE_TABLE: &str = "
    CREATE TABLE IF NOT EXISTS schema_migrations (
        version bigint PRIMARY KEY,
        name text NOT NULL,
        checksum text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now()
    )";

/// Why the schema cannot be used or changed.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// PostgreSQL.
    #[error("PostgreSQL: {}", with_causes(.0))]
    Database(#[from] tokio_postgres::Error),
    /// A step that is not known here.
    #[error(
        "the database has the migration {version} ({name}), which this version does not know; run a newer version, or \
         name its directory with --migrations"
    )]
    Newer {
        /// Its number.
        version: i64,
        /// Its name.
        name: String,
    },
    /// A step that is not what it was.
    #[error("the migration {0} was changed after it was applied to the database; write a new one instead")]
    Changed(i64),
    /// A step with an error in it.
    #[error("the migration {version} ({name}) failed and changed nothing: {error}")]
    Failed {
        /// Its number.
        version: i64,
        /// Its name.
        name: String,
        /// What the database says.
        error: String,
    },
    /// A step without a way back.
    #[error("the migration {0} has no way down")]
    NoDown(i64),
    /// A server writes to it.
    #[error("a server mirrors into this database; stop it first")]
    InUse,
}

/// A step, and whether the database has it.
#[derive(Debug)]
pub struct Step {
    /// The step.
    pub migration: Migration,
    /// Whether the database has it.
    pub is_applied: bool,
}

/// Which of these migrations the database has. Rejects a schema that is newer than they are.
pub(super) async fn steps(client: &Client, all: &[Migration]) -> Result<Vec<Step>, SchemaError> {
    let there = client.query_one("SELECT to_regclass('schema_migrations') IS NOT NULL", &[]).await?;
    let mut applied = BTreeMap::new();
    if there.get(0) {
        for row in client.query("SELECT version, name, checksum FROM schema_migrations", &[]).await? {
            applied.insert(row.get::<_, i64>(0), (row.get::<_, String>(1), row.get::<_, String>(2)));
        }
    }
    let mut steps = Vec::with_capacity(all.len());
    for migration in all {
        let found = applied.remove(&migration.version);
        if found.as_ref().is_some_and(|(_, checksum)| *checksum != migration.checksum()) {
            return Err(SchemaError::Changed(migration.version));
        }
        steps.push(Step { migration: migration.clone(), is_applied: found.is_some() });
    }
    match applied.pop_first() {
        Some((version, (name, _))) => Err(SchemaError::Newer { version, name }),
        None => Ok(steps),
    }
}

/// Applies what the database lacks, and gives it. Two that do so at once do it one after the other.
pub(super) async fn migrate(client: &Client, all: &[Migration]) -> Result<Vec<Migration>, SchemaError> {
    let is_pending = |steps: &[Step]| steps.iter().any(|step| !step.is_applied);
    // A role that may not change the schema can use one that is complete.
    if !is_pending(&steps(client, all).await?) {
        return Ok(Vec::new());
    }
    client.execute("SELECT pg_advisory_lock($1)", &[&SCHEMA_LOCK]).await?;
    let applied = apply(client, all).await;
    client.execute("SELECT pg_advisory_unlock($1)", &[&SCHEMA_LOCK]).await?;
    applied
}

async fn apply(client: &Client, all: &[Migration]) -> Result<Vec<Migration>, SchemaError> {
    client.batch_execute(CREATE_TABLE).await?;
    let mut applied = Vec::new();
    for Step { migration, is_applied } in steps(client, all).await? {
        if !is_applied {
            let note = "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)";
            run(client, &migration, &migration.up, note, &[&migration.version, &migration.name, &migration.checksum()])
                .await?;
            applied.push(migration);
        }
    }
    Ok(applied)
}

/// Reverts the last step that the database has, and gives it; none if it has none.
pub(super) async fn revert(client: &Client, all: &[Migration]) -> Result<Option<Migration>, SchemaError> {
    client.execute("SELECT pg_advisory_lock($1)", &[&SCHEMA_LOCK]).await?;
    let reverted = revert_last(client, all).await;
    client.execute("SELECT pg_advisory_unlock($1)", &[&SCHEMA_LOCK]).await?;
    reverted
}

async fn revert_last(client: &Client, all: &[Migration]) -> Result<Option<Migration>, SchemaError> {
    let last = steps(client, all).await?.into_iter().rev().find(|step| step.is_applied);
    let Some(Step { migration, .. }) = last else { return Ok(None) };
    let down = migration.down.as_deref().ok_or(SchemaError::NoDown(migration.version))?;
    let note = "DELETE FROM schema_migrations WHERE version = $1";
    run(client, &migration, down, note, &[&migration.version]).await?;
    Ok(Some(migration))
}

/// Runs a step and notes it, in one transaction.
async fn run(
    client: &Client,
    migration: &Migration,
    sql: &str,
    note: &str,
    parameters: &[&(dyn tokio_postgres::types::ToSql + Sync)],
) -> Result<(), SchemaError> {
    client.batch_execute("BEGIN").await?;
    let ran = match client.batch_execute(sql).await {
        Ok(()) => client.execute(note, parameters).await.map(drop),
        Err(error) => Err(error),
    };
    let Err(error) = ran else { return Ok(client.batch_execute("COMMIT").await?) };
    // The connection may be gone: then there is nothing to take back.
    let _ = client.batch_execute("ROLLBACK").await;
    let Migration { version, name, .. } = migration.clone();
    Err(SchemaError::Failed { version, name, error: with_causes(&error) })
}

/// Takes the lock of the one who mirrors, until the session ends.
pub(super) async fn lock(client: &Client) -> Result<(), SchemaError> {
    let row = client.query_one("SELECT pg_try_advisory_lock($1)", &[&MIRROR_LOCK]).await?;
    if row.get(0) { Ok(()) } else { Err(SchemaError::InUse) }
}
