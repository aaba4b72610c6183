//! What a report says of a run in a sentence.

use crate::domain::digits::grouped;
use crate::drawing::text;

use super::run::{Run, Source};

/// How many checks hold.
pub(super) fn headline(run: &Run) -> String {
    match (run.holding(), run.checks.len()) {
        (_, 0) => "No check was made.".to_owned(),
        (1, 1) => "The check holds.".to_owned(),
        (0, 1) => "The check does not hold.".to_owned(),
        (holding, all) if holding == all => format!("All {all} checks hold."),
        (holding, all) => format!("{holding} of {all} checks hold."),
    }
}

/// The colour of the headline: broken, not to be trusted, or neither.
pub(super) fn tone(run: &Run) -> &'static str {
    let is_broken = run.broken().next().is_some();
    let is_doubtful = !run.contradictions.is_empty() || run.warning.is_some() || run.checks.is_empty();
    match (is_broken, is_doubtful) {
        (true, _) => "bad",
        (false, true) => "warn",
        (false, false) => "good",
    }
}

/// What happened, and what did not hold.
pub(super) fn sentence(run: &Run) -> String {
    let mut sentences = match run.source {
        Source::Rehearsal => vec![sold(run)],
        Source::Artillery if run.products.is_empty() => vec![responded(run)],
        Source::Artillery => vec![sold(run), responded(run)],
    };
    let broken: Vec<_> = run.broken().map(|check| format!("{} ({})", check.title, check.evidence)).collect();
    if run.is_audited && !broken.is_empty() {
        sentences.push(format!("Broken: {}.", broken.join("; ")));
    }
    match run.contradictions.len() {
        0 => {}
        1 => sentences.push("The file contradicts itself.".to_owned()),
        some => sentences.push(format!("The file contradicts itself in {some} places.")),
    }
    sentences.extend(run.warning.clone());
    sentences.join(" ")
}

fn sold(run: &Run) -> String {
    let Some([stock, sold, held, left]) = run.units() else { return "No product was sold.".to_owned() };
    let mut words = format!("{} of {} sold", grouped(sold), text::counted(stock, "unit was", "units were"));
    let rest = [(held, "held"), (left, "left")].into_iter().filter(|(units, _)| *units > 0);
    let rest: Vec<_> = rest.map(|(units, what)| format!("{} {what}", grouped(units))).collect();
    if !rest.is_empty() {
        words = format!("{words}, {}", rest.join(", "));
    }
    let count = |kind: &str| run.events.iter().filter(|event| event.kind == kind).count() as u64;
    let kills = Some(count("kill")).filter(|kills| *kills > 0);
    let outages = Some(count("fulfillment_outage")).filter(|outages| *outages > 0);
    let across = [
        kills.map(|kills| text::counted(kills, "kill of the server", "kills of the server")),
        outages
            .map(|some| text::counted(some, "outage of the fulfilment service", "outages of the fulfilment service")),
    ];
    match across.into_iter().flatten().collect::<Vec<_>>() {
        none if none.is_empty() => format!("{words}."),
        some => format!("{words}, across {}.", some.join(" and ")),
    }
}

fn responded(run: &Run) -> String {
    let users = run.kinds.iter().fold(0_u64, |sum, kind| sum.saturating_add(kind.buyers));
    format!(
        "{} by {} got {}; {} failed.",
        text::counted(run.requests, "request", "requests"),
        text::counted(users, "virtual user", "virtual users"),
        text::counted(run.latency.count, "response", "responses"),
        grouped(run.failed)
    )
}

/// Where the verdict comes from.
pub(super) fn verdict_note(run: &Run) -> &'static str {
    match (run.source, run.is_audited, run.broken().next()) {
        (Source::Artillery, false, _) => "from the counters in the file; what Artillery's ensure decided is not in it",
        (Source::Artillery, true, _) => {
            "from the audit after the run and the counters; what Artillery's ensure decided is not in the file"
        }
        (Source::Rehearsal, _, None) => {
            "the rehearsal ends with exit code 0; flashsale verify checks the store by itself"
        }
        (Source::Rehearsal, _, Some(_)) => {
            "the rehearsal ends with exit code 1; flashsale verify checks the store by itself"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn the_headline_counts_the_checks_themselves() {
        let with = |holds: &[bool]| {
            let run = fixture::changed(|view| {
                view.checks.truncate(holds.len());
                view.checks.iter_mut().zip(holds).for_each(|(check, holds)| check.holds = *holds);
                view.held = holds.iter().all(|holds| *holds);
            });
            (headline(&run), tone(&run))
        };
        assert_eq!(with(&[true, true, false]), ("2 of 3 checks hold.".to_owned(), "bad"));
        assert_eq!(with(&[true, true]), ("All 2 checks hold.".to_owned(), "good"));
        assert_eq!(with(&[false]).0, "The check does not hold.");
        assert_eq!(with(&[]), ("No check was made.".to_owned(), "warn"));
    }

    #[test]
    fn the_sentence_says_what_was_sold_and_what_is_broken() {
        let said = sentence(&fixture::run(fixture::REHEARSAL)).replace('\u{202f}', " ");
        let expected =
            "600 000 of 600 000 units were sold, across 1 kill of the server. Broken: p99 below 3 ms in every";
        assert!(said.starts_with(expected), "{said}");
        let doubtful = sentence(&fixture::changed(|view| view.held = true));
        assert!(doubtful.ends_with("The file contradicts itself."), "{doubtful}");
        let artillery = sentence(&fixture::run(fixture::ARTILLERY));
        assert_eq!(artillery, "304 requests by 152 virtual users got 265 responses; 39 failed.");
        let audited = sentence(&fixture::run(&fixture::audited())).replace('\u{202f}', " ");
        let expected =
            "40 of 40 units were sold. 304 requests by 152 virtual users got 265 responses; 39 failed. Broken: ";
        assert!(audited.starts_with(expected), "{audited}");
    }
}
