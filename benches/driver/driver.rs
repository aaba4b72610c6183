//! What the benchmarks of the whole server drive it with: the server as a process of its own, a client that costs
//! little, and the figures of both.
#![allow(dead_code, reason = "each benchmark uses another part of it")]

pub(crate) mod client;
pub(crate) mod figures;
pub(crate) mod load;
pub(crate) mod machine;
pub(crate) mod run;
pub(crate) mod server;
