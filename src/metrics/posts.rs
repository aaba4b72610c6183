//! How the fulfilment service responds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::domain::clock::Timestamp;
use crate::limits::MAX_ERROR_CHARS;

/// The last post, and how many failed in a row.
#[derive(Debug, Default)]
pub struct Posts {
    failed_in_row: AtomicU64,
    last: Mutex<Option<LastPost>>,
}

/// A post that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastPost {
    /// When it had its response, or none in time.
    pub at: Timestamp,
    /// How long that took.
    pub took: Duration,
    /// What went wrong; `None` if the service confirmed or rejected the order.
    pub failure: Option<String>,
}

impl Posts {
    /// Notes a post.
    pub fn note(&self, mut post: LastPost) {
        match &mut post.failure {
            None => self.failed_in_row.store(0, Ordering::Relaxed),
            Some(failure) => {
                *failure = failure.chars().take(MAX_ERROR_CHARS).collect();
                self.failed_in_row.fetch_add(1, Ordering::Relaxed);
            }
        }
        *self.last.lock() = Some(post);
    }

    /// The last post since the start of the server.
    pub fn last(&self) -> Option<LastPost> {
        self.last.lock().clone()
    }

    /// How many failed since one succeeded.
    pub fn failed_in_row(&self) -> u64 {
        self.failed_in_row.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_until_a_post_succeeds() {
        let posts = Posts::default();
        let post = |failure: Option<&str>| LastPost {
            at: Timestamp::default(),
            took: Duration::from_millis(5),
            failure: failure.map(str::to_owned),
        };
        assert_eq!((posts.failed_in_row(), posts.last()), (0, None));
        posts.note(post(Some("503")));
        posts.note(post(Some("504")));
        assert_eq!((posts.failed_in_row(), posts.last()), (2, Some(post(Some("504")))));
        posts.note(post(None));
        assert_eq!(posts.failed_in_row(), 0);
    }
}
