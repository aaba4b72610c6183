//! `flashsale seed`.

use clap::Args;
use serde_json::{Value, json};

use crate::client::{Call, Calls, ClientError};
use crate::committer::Edit;
use crate::maintenance::counted;
use crate::{app, sample};

use super::output::say;
use super::run::{CommandError, Definition, Run};
use super::server_args::ServerArgs;
use super::shared_args::StoreArgs;

/// Create the five sample products in an empty store, or at a running server without products
#[derive(Debug, Args)]
pub(super) struct Seed {
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    server: ServerArgs,
}

impl Run for Seed {
    fn run(self, _: Definition) -> Result<(), CommandError> {
        let (place, created) = match self.server.client()? {
            Some(client) => {
                let (server, calls) = (client.server().to_owned(), Calls::new(client)?);
                let created = at_server(&calls).map_err(|error| CommandError::Server(server.clone(), error))?;
                (server, created)
            }
            None => (self.store.data_dir.display().to_string(), app::seed(&self.store.data_dir)?),
        };
        match created {
            0 => Err(CommandError::NotEmpty(place)),
            created => say(&format!("created {} in {place}", counted(created, "sample product"))),
        }
    }
}

/// Creates them at a server without products; the number of those that were created.
fn at_server(calls: &Calls) -> Result<u64, ClientError> {
    let products = calls.call(&Call::get("/inventory"))?;
    let products: Vec<Value> = serde_json::from_slice(&products.body).map_err(|_| ClientError::NotTheApi)?;
    if !products.is_empty() {
        return Ok(0);
    }
    let mut created = 0;
    for edit in sample::products() {
        let Edit::Create { terms, initial, .. } = edit else { continue };
        calls.call(&Call::post("/inventory").json(&json!({
            "name": terms.name,
            "price": terms.price.to_string(),
            "initialStock": initial,
            "flashSaleActive": terms.flash_sale_active,
        })))?;
        created += 1;
    }
    Ok(created)
}
