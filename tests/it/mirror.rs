//! The mirrors: what they copy, and that they neither lose nor decide anything.

mod conformance;
mod postgres;
