//! What is done with a database by hand: its schema, and rows to try queries on.

use std::io;

use tokio::runtime::Runtime;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::config::DatabaseConfig;
use crate::domain::job_id::JobIds;
use crate::domain::product::Product;
use crate::mirror::causes::with_causes;
use crate::mirror::error::MirrorError;
use crate::mirror::target::Fault;

use super::migrations::{self, Migration, MigrationFileError};
use super::schema::{self, SchemaError, Step};
use super::settings::{Connection, Settings};
use super::write::Writer;

/// Why something cannot be done with a database.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The settings.
    #[error(transparent)]
    Settings(#[from] MirrorError),
    /// The migrations.
    #[error(transparent)]
    Files(#[from] MigrationFileError),
    /// The schema.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The database does not exist.
    #[error("the database {0} does not exist; `flashsale db setup` creates it")]
    NoDatabase(String),
    /// The server cannot be reached.
    #[error("cannot connect to PostgreSQL: {0}")]
    Connect(String),
    /// Rows of a store are there.
    #[error("the database has products; sample products are written into empty tables only")]
    NotEmpty,
    /// The tables are not there.
    #[error("the database lacks migrations; `flashsale db migrate` applies them")]
    NotMigrated,
    /// The operating system.
    #[error("cannot connect: {0}")]
    Runtime(#[from] io::Error),
}

/// A database that a server may mirror into.
#[derive(Debug)]
pub struct Database {
    settings: Settings,
    migrations: Vec<Migration>,
    runtime: Runtime,
}

/// What a database has.
#[derive(Debug)]
pub struct DatabaseStatus {
    /// The migrations, oldest first.
    pub steps: Vec<Step>,
    /// What was copied; none before all tables are there.
    pub copied: Option<Copied>,
}

/// What was copied into a database.
#[derive(Debug)]
pub struct Copied {
    /// The id of the history and its last record that is there; none where no server has mirrored into it.
    pub position: Option<(String, i64)>,
    /// Products.
    pub products: i64,
    /// Orders.
    pub orders: i64,
    /// Rows that the tables did not take.
    pub rejected: i64,
}

impl Database {
    /// The database of these settings. Nothing is connected.
    pub fn new(config: &DatabaseConfig) -> Result<Self, DatabaseError> {
        let settings = Settings::new(config)?;
        let migrations = migrations::all(config.migrations.as_deref())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { settings, migrations, runtime })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.settings.database()
    }

    /// Creates the database if it does not exist; true if it was created.
    pub fn create(&self) -> Result<bool, DatabaseError> {
        self.runtime.block_on(async {
            match self.connect().await {
                Err(DatabaseError::NoDatabase(_)) => {}
                connected => return connected.map(|_| false),
            }
            // The one that every server has from its beginning.
            let server = self.settings.with_database("postgres").connect().await.map_err(|error| connecting(&error))?;
            let name = self.name().replace('"', "\"\"");
            let create = format!("CREATE DATABASE \"{name}\"");
            server.client.batch_execute(&create).await.map_err(SchemaError::from)?;
            Ok(true)
        })
    }

    /// Applies the migrations that it lacks, and gives them.
    pub fn migrate(&self) -> Result<Vec<Migration>, DatabaseError> {
        self.runtime.block_on(async {
            let connection = self.connect().await?;
            Ok(schema::migrate(&connection.client, &self.migrations).await?)
        })
    }

    /// Reverts its last migration, and gives it; none if it has none.
    pub fn revert(&self) -> Result<Option<Migration>, DatabaseError> {
        self.runtime.block_on(async {
            let connection = self.connect().await?;
            schema::lock(&connection.client).await?;
            Ok(schema::revert(&connection.client, &self.migrations).await?)
        })
    }

    /// Reverts all of its migrations, and gives their number. Tables of others stay.
    pub fn drop_all(&self) -> Result<u64, DatabaseError> {
        self.runtime.block_on(async {
            let connection = self.connect().await?;
            schema::lock(&connection.client).await?;
            let mut reverted = 0;
            while schema::revert(&connection.client, &self.migrations).await?.is_some() {
                reverted += 1;
            }
            let drop = "DROP TABLE IF EXISTS schema_migrations";
            connection.client.batch_execute(drop).await.map_err(SchemaError::from)?;
            Ok(reverted)
        })
    }

    /// What it has.
    pub fn status(&self) -> Result<DatabaseStatus, DatabaseError> {
        self.runtime.block_on(async {
            let connection = self.connect().await?;
            let client = &connection.client;
            let steps = schema::steps(client, &self.migrations).await?;
            let copied = if steps.iter().all(|step| step.is_applied) { Some(copied(client).await?) } else { None };
            Ok(DatabaseStatus { steps, copied })
        })
    }

    /// Writes products into its empty tables, without a position: a server that mirrors into it replaces them.
    pub fn seed(&self, products: &[Product]) -> Result<u64, DatabaseError> {
        self.runtime.block_on(async {
            let connection = self.connect().await?;
            let client = &connection.client;
            schema::lock(client).await?;
            if schema::steps(client, &self.migrations).await?.iter().any(|step| !step.is_applied) {
                return Err(DatabaseError::NotMigrated);
            }
            if copied(client).await?.products > 0 {
                return Err(DatabaseError::NotEmpty);
            }
            let mut writer = Writer::new(client).await.map_err(SchemaError::from)?;
            let fault = |fault: Fault| DatabaseError::Connect(fault.to_string());
            client.batch_execute("BEGIN").await.map_err(SchemaError::from)?;
            // No order is among them, so no name of a job is made.
            let rejected = writer.put(client, products, &JobIds::new([0; 32])).await.map_err(fault)?;
            client.batch_execute("COMMIT").await.map_err(SchemaError::from)?;
            Ok(products.len() as u64 - rejected)
        })
    }

    async fn connect(&self) -> Result<Connection, DatabaseError> {
        self.settings.connect().await.map_err(|error| match error.code() {
            Some(code) if *code == SqlState::INVALID_CATALOG_NAME => DatabaseError::NoDatabase(self.name().to_owned()),
            _ => connecting(&error),
        })
    }
}

fn connecting(error: &tokio_postgres::Error) -> DatabaseError {
    DatabaseError::Connect(with_causes(error))
}

async fn copied(client: &Client) -> Result<Copied, SchemaError> {
    let position = client.query_opt("SELECT history, sequence FROM mirror_position", &[]).await?;
    let counts = "SELECT (SELECT count(*) FROM products), (SELECT count(*) FROM orders),
        (SELECT count(*) FROM mirror_rejected)";
    let counts = client.query_one(counts, &[]).await?;
    Ok(Copied {
        position: position.map(|row| (row.get(0), row.get(1))),
        products: counts.get(0),
        orders: counts.get(1),
        rejected: counts.get(2),
    })
}
