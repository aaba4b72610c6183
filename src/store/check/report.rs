//! What a check of the store found.

use crate::domain::change::{Fork, HistoryId};

/// The most sentences about one part of the store; more are counted.
const MAX_LISTED: usize = 20;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The id of the history.
    pub history: HistoryId,
    /// Where it left others, oldest first, as far as its records are kept.
    pub forks: Vec<Fork>,
    /// Records of the history that were read.
    pub records: u64,
    /// Orders that were read.
    pub orders: u64,
    /// Products that were read.
    pub products: u64,
    /// The record up to which the history was trimmed, if it was. Then the tables were not compared with it.
    pub trimmed_through: Option<u64>,
    /// What is wrong, one sentence each, and for each part of the store a bounded number of them.
    pub problems: Vec<String>,
}

/// What is wrong with one part of the store.
#[derive(Debug)]
pub(in crate::store) struct Problems {
    about: &'static str,
    listed: Vec<String>,
    more: u64,
}

impl Problems {
    pub(in crate::store) const fn about(part: &'static str) -> Self {
        Self { about: part, listed: Vec::new(), more: 0 }
    }

    pub(in crate::store) fn add(&mut self, problem: String) {
        match self.listed.len() < MAX_LISTED {
            true => self.listed.push(problem),
            false => self.more += 1,
        }
    }

    pub(in crate::store) fn add_to(self, report: &mut Report) {
        report.problems.extend(self.listed);
        if self.more > 0 {
            report.problems.push(format!("and {} more about {}", self.more, self.about));
        }
    }
}
