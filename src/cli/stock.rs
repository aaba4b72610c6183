//! `flashsale stock`.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::client::Call;

use super::remote::{RemoteArgs, product};
use super::run::{CommandError, Definition, Run};
use super::values::units;

/// Set what can be bought of the products of a running server
#[derive(Debug, Args)]
pub(super) struct Stock {
    #[command(subcommand)]
    act: Act,
    #[command(flatten)]
    server: RemoteArgs,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Set the units that can be bought now, one product after the other; differences are booked as adjustments
    Set(Set),
}

#[derive(Debug, Args)]
struct Set {
    /// Number of a product and its units
    #[arg(required = true, value_name = "ID=N", value_parser = units)]
    units: Vec<(u64, u64)>,
}

impl Run for Stock {
    fn run(self, _: Definition) -> Result<(), CommandError> {
        let server = self.server.connect()?;
        let Act::Set(Set { units }) = self.act;
        for (id, units) in units {
            let call = Call::put(&format!("/inventory/{id}")).json(&json!({ "currentStock": units }));
            server.act(&call, |now| format!("{} has {} units left", product(now), now["currentStock"]))?;
        }
        Ok(())
    }
}
