//! What the commands do to a store, apart from running a server on it: check it, back it up, restore it, export it,
//! analyze the sale in it.

mod analysis;
mod analyze;
mod backup;
mod drop_log;
mod error;
mod export;
mod output;
mod place;
mod progress;
mod report;
mod restore;
mod unpacked;
mod verify;
mod words;

pub use analysis::Scope;
pub use analyze::analyze;
pub use backup::{Source, backup};
pub use drop_log::{Dropped, LostLog};
pub use error::MaintenanceError;
pub use export::{Rows, Subject, export};
pub use output::{Output, write};
pub use report::Report;
pub use restore::{Restored, restore};
pub use verify::{verify, verify_backup};
pub use words::{counted, moment};
