//! A flash-sale backend in one binary. Its rooms by floor; a room uses the floors below its own:
//!
//! | room | what it does |
//! |---|---|
//! | [`cli`] | the commands and their arguments |
//! | [`app`] | composes the server, and stops it in reverse |
//! | [`api`] | the routes and their description |
//! | [`dashboard`] | the pages for operators |
//! | [`feed`] | the live feed: what happens, over WebSockets and Socket.IO |
//! | [`http`] | the HTTP protocol, without a route |
//! | [`engine`] | the engine without HTTP: store, committer, queue and workers together |
//! | [`admission`] | the ordered checks of an order, last of them the stock |
//! | [`fulfillment`] | workers that fulfil orders, with retries and dead letters |
//! | [`operator`] | what an operator asks and does, for API, dashboard and commands |
//! | [`mirror`] | follows the store to PostgreSQL, to Redis, and with events |
//! | [`monitor`] | watches sale windows and the clock, and raises alerts |
//! | [`maintenance`] | looks after a store: backup, restore, verify, export |
//! | [`rehearsal`] | the built-in load test, and its verdict |
//! | [`report`] | draws the results of a load test as a file |
//! | [`sample`] | the sample products |
//! | [`committer`] | the one writer: commits what was admitted in batches, then publishes and replies |
//! | [`outbound`] | posts to services outside: URL and address policy, connections, signatures |
//! | [`inventory`] | the lock-free counters that decide who gets a unit |
//! | [`queue`] | the jobs of accepted orders, by priority and by time |
//! | [`store`] | what is on disk: orders, products, the journal of everything that happened |
//! | [`alerts`] | the alerts that are raised, and events for subscribers |
//! | [`metrics`] | what is counted, and its names |
//! | [`client`] | requests to a running server |
//! | [`view`], [`config`] | every JSON shape that goes out; the settings |
//! | [`drawing`] | figures as text, charts as SVG, for pages and for files |
//! | [`domain`] | what orders and products are and what can happen to them, without I/O |
//! | [`limits`] | all bounds |
//!
//! [`logging`] writes the log's lines; [`open_files`] and [`regular_file`] are about files of the system.

pub mod cli;

pub mod app;

pub mod api;
pub mod dashboard;
pub mod feed;

pub mod engine;
pub mod http;

pub mod admission;
pub mod fulfillment;
pub mod maintenance;
pub mod mirror;
pub mod monitor;
pub mod operator;
pub mod rehearsal;
pub mod report;
pub mod sample;

pub mod committer;
pub mod outbound;

pub mod alerts;
pub mod client;
pub mod inventory;
pub mod metrics;
pub mod queue;
pub mod store;

pub mod config;
pub mod drawing;
pub mod logging;
pub mod open_files;
pub mod view;

pub mod domain;

pub mod limits;
pub mod regular_file;
