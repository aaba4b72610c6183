//! The rows of the page: groups of dead letters, and the letters of the open one.

use askama::Template;

use crate::domain::clock::Timestamp;
use crate::domain::product::ProductId;
use crate::operator::dead_letters::DeadLetter;
use crate::operator::dead_letters::groups::Group;

use super::super::figures::share;
use super::super::frame::Frame;
use super::super::state::Shared;
use super::super::text;
use super::figures::{Rate, StateFigure, per_second};
use super::filter::Filter;

/// The page.
#[derive(Template)]
#[template(path = "queue.html")]
pub(in crate::dashboard) struct QueuePage {
    pub(super) frame: Frame,
    pub(super) states: [StateFigure; 6],
    pub(super) rates: Vec<Rate>,
    pub(super) filter: Filter,
    /// The products to choose from; none if there are too many.
    pub(super) products: Option<Vec<ProductChoice>>,
    /// No letter that is shown failed later.
    pub(super) as_of: Timestamp,
    /// Dead letters that match.
    pub(super) letters: u64,
    /// Those of them that are in no row.
    pub(super) other_letters: u64,
    pub(super) rows: Vec<GroupRow>,
    pub(super) opened: Option<Opened>,
}

impl QueuePage {
    fn summary(&self) -> String {
        let groups = text::counted(self.rows.len() as u64, "group", "groups");
        let shown = if self.other_letters > 0 { "the largest " } else { "" };
        format!("{} in {shown}{groups} by their last error", text::whole(self.letters))
    }

    fn others(&self) -> String {
        text::counted(self.other_letters, "letter is", "letters are")
    }

    /// The group of this row, if it is the open one.
    fn opened(&self, row: &GroupRow) -> Option<&Opened> {
        self.opened.as_ref().filter(|opened| opened.group == row.error)
    }

    /// The URL without a filter, and with the same group open.
    fn unfiltered(&self) -> String {
        Filter::default().url(self.filter.group.as_deref())
    }
}

/// One of the products to choose from.
#[derive(Clone, Debug)]
pub(in crate::dashboard) struct ProductChoice {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) is_chosen: bool,
}

/// The products to choose from, unless there are too many for a list.
pub(super) fn product_choice(shared: &Shared, filter: &Filter) -> Option<Vec<ProductChoice>> {
    let choices = shared.product_choices()?.into_iter().rev().map(|(id, name)| ProductChoice {
        id,
        name,
        is_chosen: filter.product == Some(ProductId(id)),
    });
    Some(choices.collect())
}

/// A group of dead letters.
#[derive(Clone, Debug)]
pub(in crate::dashboard) struct GroupRow {
    pub(super) error: String,
    pub(super) count: u64,
    /// Its share of all, in percent.
    pub(super) share: String,
    pub(super) growth: String,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) products: u64,
    /// The URL that opens it, or closes it.
    pub(super) url: String,
    pub(super) is_open: bool,
}

impl GroupRow {
    pub(super) fn of(error: &str, group: &Group, letters: u64, filter: &Filter) -> Self {
        let is_open = filter.group.as_deref() == Some(error);
        Self {
            error: error.to_owned(),
            count: group.count,
            share: share(group.count, letters),
            growth: per_second(group.growth()),
            first: group.first,
            last: group.last,
            products: group.products.len() as u64,
            url: filter.url((!is_open).then_some(error)),
            is_open,
        }
    }

    fn shown(&self) -> String {
        text::whole(self.count)
    }

    fn is_growing(&self) -> bool {
        self.growth != "0"
    }
}

/// The letters of the open group.
#[derive(Clone, Debug)]
pub(in crate::dashboard) struct Opened {
    pub(super) group: String,
    pub(super) count: u64,
    pub(super) letters: Vec<LetterRow>,
    /// The URL of the next page.
    pub(super) next: Option<String>,
}

impl Opened {
    fn shown(&self) -> String {
        text::whole(self.count)
    }
}

/// A dead letter.
#[derive(Clone, Debug)]
pub(in crate::dashboard) struct LetterRow {
    pub(super) job_id: String,
    pub(super) order: u64,
    pub(super) user: String,
    pub(super) product: String,
    pub(super) quantity: u32,
    pub(super) failed_at: Timestamp,
    /// Attempts that were made, which can be more than are kept.
    pub(super) made: u64,
    pub(super) attempts: Vec<AttemptRow>,
}

/// An attempt that failed.
#[derive(Clone, Debug)]
pub(in crate::dashboard) struct AttemptRow {
    pub(super) number: u32,
    pub(super) at: Timestamp,
    pub(super) error: String,
}

impl LetterRow {
    pub(super) fn of(shared: &Shared, letter: &DeadLetter) -> Self {
        let order = &letter.order;
        let attempts = letter.attempts.iter().map(|attempt| AttemptRow {
            number: attempt.attempt,
            at: attempt.at,
            error: attempt.error.clone(),
        });
        Self {
            job_id: shared.job_ids.job_id(order.id),
            order: order.id.0,
            user: order.user.as_str().to_owned(),
            product: shared.product_name(order.product),
            quantity: order.quantity,
            failed_at: order.finished_at.unwrap_or(order.updated_at),
            made: order.attempts.into(),
            attempts: attempts.collect(),
        }
    }

    fn number(&self) -> String {
        text::whole(self.order)
    }

    fn attempts_made(&self) -> String {
        text::counted(self.made, "attempt", "attempts")
    }

    fn units(&self) -> String {
        match self.quantity {
            1 => String::new(),
            units => format!(", {} units", text::whole(units)),
        }
    }
}

/// A time as the page shows it. Templates hand over references.
pub(super) fn moment(at: &Timestamp, now: &Timestamp) -> String {
    text::moment(*at, *now)
}

/// The same with milliseconds.
pub(super) fn moment_millis(at: &Timestamp, now: &Timestamp) -> String {
    text::moment_millis(*at, *now)
}
