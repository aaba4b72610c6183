//! `flashsale db`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::domain::clock::Clock;
use crate::mirror::{self, Database, Migration, MirrorError};
use crate::sample;

use super::confirm::confirm;
use super::mirror_args::DatabaseArgs;
use super::output::say;
use super::run::{CommandError, Definition, Run};

/// Look after the schema of the PostgreSQL database that mirrors the store
#[derive(Debug, Args)]
pub(super) struct Db {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "parsed once")]
enum Act {
    /// Create the database if it does not exist, and apply all migrations
    Setup(DatabaseArgs),
    /// Apply the migrations that the database lacks; a server does so by itself when it connects
    Migrate(DatabaseArgs),
    /// Revert the last migration
    Revert(DatabaseArgs),
    /// Show which migrations the database has, and what was copied into it
    Status(DatabaseArgs),
    /// Begin a migration of your own: two files, the way up and the way down
    Generate(Generate),
    /// Revert all migrations; the tables go with what was copied into them, tables of others stay
    Drop(Drop),
    /// Write the sample products into empty tables, to try queries on; a server that mirrors into them replaces them
    Seed(DatabaseArgs),
}

#[derive(Debug, Args)]
struct Generate {
    /// What it does, in a few words
    name: String,
    /// Directory for the files
    #[arg(long, env = "DATABASE_MIGRATIONS", default_value = "migrations", value_name = "DIR")]
    database_migrations: PathBuf,
}

#[derive(Debug, Args)]
struct Drop {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl Run for Db {
    fn run(self, _: Definition) -> Result<(), CommandError> {
        match self.act {
            Act::Setup(args) => {
                let database = database(args)?;
                if database.create()? {
                    say(&format!("created the database {}", database.name()))?;
                }
                say_applied(&database.migrate()?)
            }
            Act::Migrate(args) => say_applied(&database(args)?.migrate()?),
            Act::Revert(args) => match database(args)?.revert()? {
                Some(migration) => say(&format!("reverted {}", named(&migration))),
                None => say(&"the database has no migration"),
            },
            Act::Status(args) => status(&database(args)?),
            Act::Generate(Generate { name, database_migrations }) => {
                let now = Clock::system().now().to_string();
                let version: String = now.chars().filter(char::is_ascii_digit).take(14).collect();
                let files = mirror::generate(&database_migrations, &version, &name)?;
                files.iter().try_for_each(|file| say(&format!("wrote {}", file.display())))
            }
            Act::Drop(Drop { database: args, yes }) => {
                let database = database(args)?;
                confirm(&format!("drop the tables of flashsale in the database {}", database.name()), yes)?;
                match database.drop_all()? {
                    0 => say(&"the database has no migration"),
                    reverted => say(&format!("reverted {reverted} of {reverted}: the tables are gone")),
                }
            }
            Act::Seed(args) => {
                let products = database(args)?.seed(&sample::rows(Clock::system().now()))?;
                say(&format!("wrote {products} sample products"))
            }
        }
    }
}

fn database(args: DatabaseArgs) -> Result<Database, CommandError> {
    let unset = "no database is set; set DATABASE_URL or DATABASE_HOST";
    let config = args.resolve()?.ok_or_else(|| MirrorError::Settings(unset.to_owned()))?;
    Ok(Database::new(&config)?)
}

fn named(migration: &Migration) -> String {
    format!("{} {}", migration.version, migration.name)
}

fn say_applied(applied: &[Migration]) -> Result<(), CommandError> {
    if applied.is_empty() {
        return say(&"the database has all migrations");
    }
    applied.iter().try_for_each(|migration| say(&format!("applied {}", named(migration))))
}

fn status(database: &Database) -> Result<(), CommandError> {
    let status = database.status()?;
    say(&format!("database   {}", database.name()))?;
    for step in &status.steps {
        let state = if step.is_applied { "applied" } else { "pending" };
        say(&format!("{state:<10} {}", named(&step.migration)))?;
    }
    let Some(copied) = status.copied else { return Ok(()) };
    match copied.position {
        Some((history, sequence)) => say(&format!("position   record {sequence} of the history {history}"))?,
        None => say(&"position   no server has mirrored into it")?,
    }
    let (products, orders, rejected) = (copied.products, copied.orders, copied.rejected);
    say(&format!("rows       {products} products, {orders} orders, {rejected} rejected"))
}
