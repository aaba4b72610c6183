//! The API, route by route, and the rules of HTTP that hold for all of them.

mod access;
mod bad_input;
mod feed;
mod figures;
mod fuzz;
mod headers;
mod monitoring;
mod orders;
mod origins;
mod products;
mod proxied;
mod queue;
