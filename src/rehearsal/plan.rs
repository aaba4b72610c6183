//! What is rehearsed, and where.

use super::own_server::ServerPlan;
use super::scenario::Scenario;
use crate::config::Secret;

/// A rehearsal, before it is held.
#[derive(Debug)]
pub struct Plan {
    /// What buyers do.
    pub scenario: Scenario,
    /// Decides which buyers come and what they do.
    pub seed: u64,
    /// Where it is done.
    pub place: Place,
    /// Kills the server in the middle of the arrivals, and starts it again; only of a server of its own.
    pub kill: bool,
    /// Takes the fulfilment service of its own away from two to three fifths of the arrivals.
    pub fulfillment_outage: bool,
    /// Connections of all buyers.
    pub connections: u32,
    /// Threads that send.
    pub threads: u32,
    /// The command line, for the results.
    pub command: String,
}

/// Where it is done.
#[derive(Debug)]
pub enum Place {
    /// A server of its own.
    Own(ServerPlan),
    /// A running one, with the products of the scenario in its order.
    Running {
        /// Its URL.
        url: String,
        /// The operator's token.
        admin_token: Option<Secret>,
        /// The storefront's token.
        storefront_token: Option<Secret>,
        /// Ids.
        products: Vec<u64>,
    },
}
