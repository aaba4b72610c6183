//! Watches the sale and the machine, and raises the alerts.

mod clock_watch;
mod sale_windows;

pub use clock_watch::ClockWatch;
pub use sale_windows::WindowWatch;
