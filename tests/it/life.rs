//! The life of a server: how it starts, stops and survives, and what it is connected to.

mod check;
mod cli;
mod fulfilment;
mod history;
mod lifecycle;
mod operate;
mod rehearse;
mod report;
mod request_log;
mod scenario;
mod strangers;
mod survival;
mod webhook;
