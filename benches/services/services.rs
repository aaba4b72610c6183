//! Servers that are not ours, started for a measurement on a data directory of their own, with the settings that their
//! manuals recommend where every response must be on disk.
#![allow(dead_code, reason = "each benchmark uses another part of it")]

pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod redis;
