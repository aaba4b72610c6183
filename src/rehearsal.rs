//! The built-in load test: buyers by the thousand against a server, and a verdict on what it promised them.

use std::io;

use crate::client::ClientError;

mod arrivals;
mod book;
mod buyer;
mod facts;
mod heard;
mod load;
pub mod machine;
mod name;
mod own_server;
mod plan;
mod pool;
pub mod prepare;
mod results;
mod run;
pub mod scenario;
mod service;
mod shop;
mod stock_line;
mod verdict;
mod window;
mod wire;

pub use load::pace;
pub use own_server::ServerPlan;
pub use plan::{Place, Plan};
pub use pool::{Pool, Sources};
pub use run::{Progress, rehearse};
pub use wire::{Connection, Response, WireError};

/// Why a rehearsal could not be held.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    /// The operating system did not give something.
    #[error("this machine cannot run the load test: {0}")]
    Machine(#[source] io::Error),
    /// The server of its own did not start, or did not come back after the kill; the end of its log.
    #[error("the server of the load test did not start:\n{0}")]
    OwnServer(String),
    /// Its name has no address, or it is no URL.
    #[error("{0} has no address that can be connected to")]
    NoAddress(String),
    /// Load through TLS would measure TLS.
    #[error("{0} is behind TLS; rehearse against the server itself, with an http URL")]
    Tls(String),
    /// More orders than a verdict can be drawn on.
    #[error("the server has more orders of this run than a verdict can be drawn on")]
    TooManyOrders,
    /// A defect of ours; the panic has been printed.
    #[error("a part of the load test failed")]
    Panicked,
    /// The products cannot be made.
    #[error(transparent)]
    Prepare(#[from] prepare::PrepareError),
    /// A server that cannot be asked.
    #[error(transparent)]
    Client(#[from] ClientError),
}
