//! What this machine runs out of: it says nothing about who is posted to.

use std::error::Error;
use std::io;

/// What the operating system says where this machine has run out of something. For a thread that cannot be started, or
/// a connection without room in the kernel's tables, it says EAGAIN. EADDRNOTAVAIL is a connection without a free port.
const SHORTAGES: [i32; 6] =
    [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EADDRNOTAVAIL, libc::EAGAIN];

/// Whether an error of the operating system is a fault of this machine.
pub(super) fn is_shortage(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|code| SHORTAGES.contains(&code))
}

/// The errors from this one inwards, each the cause of the one before.
pub(super) fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        // Of an error within it, an I/O error names the cause and not that error itself.
        let within = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        within.map(|within| within as &(dyn Error + 'static)).or_else(|| error.source())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_is_found_however_deep_it_lies() {
        for code in SHORTAGES {
            let deep = io::Error::other(io::Error::other(io::Error::from_raw_os_error(code)));
            let found = causes(&deep).filter_map(|error| error.downcast_ref::<io::Error>()).any(is_shortage);
            assert!(found, "{code}");
        }
        for code in [libc::ECONNREFUSED, libc::ECONNRESET, libc::EHOSTUNREACH, libc::ENETUNREACH, libc::ETIMEDOUT] {
            assert!(!is_shortage(&io::Error::from_raw_os_error(code)), "{code}");
        }
    }
}
