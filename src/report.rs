//! The report of a load test: one file of HTML that opens without a network, with its charts inside. It is made of the
//! results that the rehearsal or Artillery wrote, of one run or of two to compare.

use std::path::Path;

use askama::Template;

mod artillery;
mod charts;
mod contradictions;
#[cfg(test)]
mod fixture;
mod input;
mod page;
mod pair;
mod rehearsal;
mod run;
mod words;

pub use input::ReportError;

use page::RunPage;
use pair::PairPage;

/// The report of the results in a file, or the comparison with those in another one; `-` is standard input.
///
/// # Errors
///
/// If a file cannot be read, is longer than [`MAX_REPORT_BYTES`](crate::limits::MAX_REPORT_BYTES), or has no results
/// of a kind that is known.
pub fn html(first: &Path, second: Option<&Path>) -> Result<String, ReportError> {
    let first = input::read(first)?;
    match second {
        Some(second) => Ok(PairPage::of([&first, &input::read(second)?]).render()?),
        None => Ok(RunPage::of(&first).render()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Result<String, ReportError> {
        let run = input::parse("run.json", "run.json".to_owned(), text.as_bytes())?;
        let pair = PairPage::of([&run, &run]).render()?;
        Ok(RunPage::of(&run).render()? + &pair)
    }

    /// What must not be in a report, whatever is in its file.
    fn assert_clean(page: &str) {
        let shown: Vec<_> = page.split("<main").skip(1).filter_map(|main| main.split("</main>").next()).collect();
        assert!(!shown.is_empty());
        for line in shown.iter().flat_map(|main| main.lines()) {
            for wrong in ["NaN", "inf", "Infinity", "<script", "null"] {
                assert!(!line.contains(wrong), "{wrong}: {line}");
            }
        }
    }

    #[test]
    fn both_kinds_become_pages_and_what_is_foreign_is_escaped() {
        let rehearsal = page(fixture::REHEARSAL).unwrap();
        assert_clean(&rehearsal);
        assert!(rehearsal.contains("<h1>7 of 8 checks hold.</h1>") && rehearsal.contains("&#60;script&#62;"));
        assert!(rehearsal.contains("<bdi>مشترٍ-٠٤٤</bdi>"), "a name has its own direction");
        assert_clean(&page(fixture::ARTILLERY).unwrap());
        let audited = page(&fixture::audited()).unwrap();
        assert_clean(&audited);
        assert!(audited.contains("<h1>3 of 7 checks hold.</h1>") && audited.contains("order 7 of buyer-7 &#60;i&#62;"));
        let nasty = fixture::ARTILLERY.replace("/orders", "</script><script>alert(1)</script>");
        assert_clean(&page(&nasty).unwrap());
    }

    #[test]
    fn a_run_in_which_nothing_succeeded_has_dashes_and_no_strange_number() {
        let mut view = fixture::rehearsal();
        for second in &mut view.seconds {
            (second.latency, second.left, second.responses) = (None, None, 0);
        }
        (view.latency, view.order_latency) = Default::default();
        (view.funnel, view.codes, view.first, view.phases, view.products) = Default::default();
        view.endpoints.iter_mut().for_each(|endpoint| endpoint.latency = Default::default());
        view.duration_ms = 0;
        let text = serde_json::to_string(&view).unwrap();
        assert_clean(&page(&text).unwrap());
        view.seconds.clear();
        let text = serde_json::to_string(&view).unwrap();
        assert!(page(&text).unwrap().contains("Nothing was measured over time."));
    }

    #[test]
    fn extremes_are_written_as_numbers() {
        let mut view = fixture::rehearsal();
        for second in &mut view.seconds {
            (second.requests, second.admitted, second.failed, second.left) =
                (u64::MAX, u64::MAX, u64::MAX, Some(u64::MAX));
        }
        view.events[0].at_ms = u64::MAX;
        view.events[0].until_ms = Some(u64::MAX);
        view.phases[0].rate = [-1.0, f64::MAX];
        view.first[0].after_us = u64::MAX;
        view.server.peak_bytes = Some(u64::MAX);
        (view.duration_ms, view.p99_goal_ms) = (u64::MAX, Some(f64::MAX));
        assert_clean(&page(&serde_json::to_string(&view).unwrap()).unwrap());
    }

    #[test]
    fn a_file_that_ends_anywhere_is_truncated_and_never_a_report() {
        for text in [fixture::audited(), short_rehearsal()] {
            let text = text.trim_end();
            for end in (1..text.len()).filter(|end| text.is_char_boundary(*end)) {
                let error = page(&text[..end]).unwrap_err();
                assert!(matches!(error, ReportError::Truncated(_)), "at {end}: {error}");
            }
            assert!(page(text).is_ok());
        }
    }

    /// A rehearsal of a few seconds, to be cut at each byte.
    fn short_rehearsal() -> String {
        let mut view = fixture::rehearsal();
        view.seconds.truncate(3);
        serde_json::to_string(&view).unwrap()
    }

    #[test]
    fn what_is_no_result_is_said_in_a_sentence() {
        let said = |text: &str| page(text).unwrap_err().to_string();
        assert_eq!(said("  \n"), "run.json is empty; give the results of a load test");
        assert!(said("hello").starts_with("run.json is not JSON: "));
        for other in ["{}", "[1, 2]", "7", r#"{"aggregate": {}}"#, r#"{"format": "k6"}"#, r#"{"format": 7}"#] {
            assert!(said(other).starts_with("run.json has neither the results"), "{other}: {}", said(other));
        }
        let newer = fixture::REHEARSAL.replace("\"version\": 1", "\"version\": 2");
        assert_eq!(said(&newer), "run.json has version 2 of the results; this flashsale reads version 1");
        let strange = fixture::REHEARSAL.replace("\"seed\"", "\"sod\"");
        assert!(said(&strange).starts_with("run.json has results that do not fit their kind: unknown field `sod`"));
        let timeless = fixture::REHEARSAL.replace("2026-11-27T14", "yesterday");
        assert!(said(&timeless).starts_with("run.json has a start that is not a time"), "{}", said(&timeless));
        for (from, to) in [("\"held\": false", "\"held\": 0"), ("\"products\": [", "\"products\": [7, ")] {
            let wrong = said(&fixture::audited().replace(from, to));
            assert!(wrong.starts_with("run.json has results that do not fit their kind: invalid type: "), "{wrong}");
        }
        let old = r#"{"aggregate": {"codes": {"200": 1}}, "intermediate": []}"#;
        assert!(said(old).contains("do not fit their kind: missing field `counters`"), "{}", said(old));
    }
}
