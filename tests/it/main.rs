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

mod api;
mod harness;
mod life;
mod mirror;
mod sale;
mod store;
mod tidy;
