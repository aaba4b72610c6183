//! How many files the process may have open, and how many of them may be connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::limits::{MAX_LEAVING, RESERVED_FILES};

/// Raises the limit of open files as far as the system allows. Gives the limit then in force; `None` is no limit.
pub fn raise() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return limit.current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::debug!(%error, "cannot raise the limit of open files");
            limit.current
        }
    }
}

/// How many of the wanted connections fit the limit of open files, beside all other files: those of the store and the
/// log, and two connections to the fulfilment service for each worker.
pub fn connections(wanted: usize, limit: Option<u64>, workers: usize) -> usize {
    let Some(limit) = limit else { return wanted };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let others = RESERVED_FILES + MAX_LEAVING + 2 * workers;
    // With a very low limit, an eighth of it.
    wanted.min(limit.saturating_sub(others).max(limit / 8)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_everything_else() {
        assert_eq!(connections(20_000, None, 16), 20_000);
        assert_eq!(connections(20_000, Some(1_048_576), 16), 20_000);
        assert_eq!(connections(20_000, Some(1_024), 16), 1_024 - RESERVED_FILES - MAX_LEAVING - 32);
        assert_eq!(connections(500, Some(1_024), 16), 500);
        assert_eq!(connections(20_000, Some(256), 4_096), 32);
        assert_eq!(connections(20_000, Some(1), 16), 1);
    }

    #[test]
    fn the_limit_in_force_is_the_highest_that_is_allowed() {
        let limit = raise();
        assert_eq!((limit, limit), (getrlimit(Resource::Nofile).current, getrlimit(Resource::Nofile).maximum));
    }
}
