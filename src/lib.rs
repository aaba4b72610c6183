//! A flash-sale backend in one binary. The rooms, in the order in which an order meets them:
//!
//! | room | what it does |
//! |---|---|
//! | [`http`] | the protocol: connections, bounds, bodies, refusals |
//! | [`api`] | the routes of the REST API and their description |
//! | [`admission`] | the ordered checks, last of them the stock |
//! | [`inventory`] | the lock-free counters that decide who gets a unit |
//! | [`committer`] | the one writer: batches what was admitted, commits once, then answers |
//! | [`store`] | a redb file and a log: orders, products, the journal of everything that happened |
//! | [`queue`] | the jobs of accepted orders, by priority and by time |
//! | [`operator`] | what an operator asks and does, for all who ask on its behalf |
//! | [`fulfillment`] | workers that fulfil them, with retries and dead letters |
//! | [`alerts`] | what the clock does: sale windows and alerts, for subscribers |
//! | [`metrics`] | what is counted, and its names |
//!
//! The [`domain`] is pure and below all of them. [`app`] starts the rooms and stops them; [`cli`] and [`config`] say how; [`maintenance`] looks after a store; [`logging`]
//! writes the log's lines.

pub mod cli;
pub mod config;
pub mod open_files;

pub mod app;
pub mod maintenance;
pub mod sample;

pub mod api;

pub mod http;

pub mod admission;
pub mod fulfillment;
pub mod monitor;
pub mod operator;

pub mod committer;

pub mod alerts;
pub mod inventory;
pub mod metrics;
pub mod queue;
pub mod store;

pub mod view;

pub mod logging;
pub mod regular_file;

pub mod domain;
pub mod limits;
