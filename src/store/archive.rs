//! Backups: one sequence of bytes, in which nothing can be missing or altered without being noticed.

mod error;
mod form;
mod load;
mod reader;
mod sale;
mod save;
mod writer;

pub use error::ArchiveError;
pub use form::Contents;
pub use load::{build, check};
pub use reader::Reader;
pub use sale::{Row, each};

#[cfg(test)]
mod tests;
