//! What follows the store, each against a target that fails in the ways that it can.

mod conformance;
mod events;
mod past;
mod postgres;
mod redis;
