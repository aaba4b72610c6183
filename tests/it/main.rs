//! The whole server from outside: every test starts the real binary on a free port and a directory of its own, and
//! ends by checking that the stock adds up and that the server goes when it is asked to.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts its own threads, tasks and processes"
)]

mod access;
mod bad_input;
mod batches;
mod cli;
mod clock;
mod crash;
mod harness;
mod headers;
mod hold_model;
mod holds;
mod idempotency;
mod inventory;
mod ledger;
mod lifecycle;
mod maintenance;
mod monitoring;
mod orders;
mod purchase_limits;
mod queue;
mod stampede;
mod store_faults;
mod strangers;
mod survival;
mod walls;
mod webhook;
