//! The whole store.

mod indexes;
mod opening;
mod reading;
mod tail;
mod trimming;
