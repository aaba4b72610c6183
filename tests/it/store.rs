//! The store: crashes, failing disks, and what maintains it.

mod crash;
mod faults;
mod formats;
mod maintenance;
