//! Responses by status and code, as a table.

use crate::metrics::OUTCOMES;
use crate::view::benchmark::BenchmarkView;

use crate::drawing::figure::{part_of, share as bar_of};

use super::text;

/// Codes that are shown also where there was none.
const ALWAYS: usize = 9;

/// The rows of the table, and how many codes are not among them.
#[derive(Debug, Default)]
pub(super) struct Codes {
    pub(super) rows: Vec<Row>,
    /// Codes that no response had and that are not shown.
    pub(super) others: usize,
}

/// A row of the table.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) raw: u64,
    pub(super) count: String,
    pub(super) share: String,
    /// The length of its bar, in percent of the longest.
    pub(super) bar: String,
}

impl Codes {
    /// The table of a report: always in the same order.
    pub(super) fn of(view: &BenchmarkView) -> Self {
        let count = |status: u16, code: &str| {
            let key = if status == 201 { "201".to_owned() } else { format!("{status} {code}") };
            view.codes.0.get(&key).copied().unwrap_or(0)
        };
        let counts: Vec<_> = OUTCOMES.iter().map(|(status, code)| (*status, *code, count(*status, code))).collect();
        let most = counts.iter().map(|(.., count)| *count).max().unwrap_or(0).max(1);
        let mut codes = Self::default();
        for (at, (status, code, count)) in counts.into_iter().enumerate() {
            if at >= ALWAYS && count == 0 {
                codes.others += 1;
                continue;
            }
            codes.rows.push(Row {
                status,
                code,
                raw: count,
                count: text::whole(count),
                share: part_of(count, view.total_requests),
                bar: bar_of(count, most),
            });
        }
        codes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::metrics::ByStatusAndCode;

    #[test]
    fn rows_keep_their_order_and_rare_codes_are_shown_once_they_come() {
        let codes = [("201", 3), ("409 sold_out", 1), ("500 internal", 2)];
        let codes = ByStatusAndCode(codes.map(|(code, count)| (code.to_owned(), count)).into());
        let table = Codes::of(&BenchmarkView { total_requests: 6, codes, ..BenchmarkView::default() });
        let seen: Vec<_> = table.rows.iter().map(|row| (row.code, row.raw)).collect();
        assert_eq!(seen[..2], [("admitted", 3), ("sold_out", 1)]);
        assert_eq!(seen.last(), Some(&("internal", 2)));
        assert_eq!((seen.len(), table.others), (ALWAYS + 1, OUTCOMES.len() - ALWAYS - 1));
        assert_eq!((table.rows[0].bar.as_str(), table.rows[1].bar.as_str()), ("100.00", "33.33"));
    }
}
