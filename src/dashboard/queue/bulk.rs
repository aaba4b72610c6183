//! What is done with dead letters: one at once, many after a preview that names exactly those that will be touched.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use crate::committer::OperatorMove;
use crate::domain::clock::Timestamp;
use crate::domain::order::OrderId;
use crate::domain::refusal::Refusal;
use crate::http::FormBody;
use crate::operator::dead_letters::groups::groups;
use crate::operator::dead_letters::{self, Moved};
use crate::view::queue::NeedView;

use super::super::error::sentence;
use super::super::frame::{Frame, Page};
use super::super::notice::Notice;
use super::super::state::Shared;
use super::super::text;
use super::super::visit::{Visit, local};
use super::figures::per_second;
use super::filter::{PickedLetters, Target};

/// Letters from which on the count has to be typed before they are discarded.
const TYPED_FROM: u64 = 101;

/// What is done with letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Retry,
    Discard,
}

impl Act {
    fn of_word(word: &str) -> Option<Self> {
        match word {
            "retry" => Some(Self::Retry),
            "discard" => Some(Self::Discard),
            _ => None,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Discard => "discard",
        }
    }

    const fn verb(self) -> &'static str {
        match self {
            Self::Retry => "Retry",
            Self::Discard => "Discard",
        }
    }

    const fn moves(self) -> OperatorMove {
        match self {
            Self::Retry => OperatorMove::Retry,
            Self::Discard => OperatorMove::Forget,
        }
    }
}

/// The preview, which is a dialog where there are scripts.
#[derive(Template)]
#[template(path = "queue_ask.html")]
struct Ask {
    frame: Frame,
    act: Act,
    matched: u64,
    later: u64,
    which: String,
    counted_at: Timestamp,
    needs: Vec<NeedRow>,
    /// Letters with these errors that come in a second, if any do.
    growth: Option<String>,
    fields: Vec<(&'static str, String)>,
    /// Whether the count must be typed, and whether that was done wrongly.
    typed: bool,
    mistyped: bool,
    back: String,
}

impl Ask {
    fn count(&self) -> String {
        text::whole(self.matched)
    }

    fn title(&self) -> String {
        match self.matched {
            0 => "No dead letter matches any more".to_owned(),
            count => format!("{} {}?", self.act.verb(), text::counted(count, "dead letter", "dead letters")),
        }
    }

    fn later_words(&self) -> String {
        match self.later {
            0 => "None came since.".to_owned(),
            1 => "1 more came since; it is not touched.".to_owned(),
            count => format!("{} more came since; they are not touched.", text::whole(count)),
        }
    }

    fn is_retry(&self) -> bool {
        self.act == Act::Retry
    }
}

/// The units of a product that a retry needs.
struct NeedRow {
    name: String,
    needed: String,
    left: String,
    /// Units that are missing, if some are.
    missing: Option<String>,
}

impl NeedRow {
    fn of(need: NeedView) -> Self {
        let missing = need.units_needed.saturating_sub(need.units_left);
        Self {
            name: need.name,
            needed: text::whole(need.units_needed),
            left: text::whole(need.units_left),
            missing: (missing > 0).then(|| text::whole(missing)),
        }
    }
}

/// An act of the page: on one letter at once, on more after a preview.
pub(super) async fn act(State(shared): State<Shared>, visit: Visit, form: FormBody) -> Result<Response, Refusal> {
    if let Some(job_id) = form.get("retry-letter") {
        return Ok(retry_one(&shared, &visit, &form, job_id).await);
    }
    let (act, target) = match (form.get("ask"), form.get("retry-group"), form.get("again")) {
        (_, Some(group), _) => {
            let picked = Some(PickedLetters { groups: vec![group.to_owned()], letters: Vec::new() });
            (Act::Retry, Target { picked, failed_before: None, ..Target::read(&form, false)? })
        }
        (Some(word), ..) => {
            let (word, picked) = word.split_once('-').ok_or(Refusal::NotFound)?;
            let act = Act::of_word(word).ok_or(Refusal::NotFound)?;
            (act, Target { failed_before: None, ..Target::read(&form, picked == "picked")? })
        }
        // The same question again: how many came since.
        (_, _, Some(word)) => {
            let act = Act::of_word(word).ok_or(Refusal::NotFound)?;
            (act, Target::read(&form, form.get("picked").is_some())?)
        }
        _ => return Err(Refusal::NotFound),
    };
    if target.is_empty() {
        return Ok(visit.back(&form, &shared, &Notice::failed("Nothing is selected. Tick groups or letters first.")));
    }
    ask(&shared, &visit, &form, act, &target, false).await
}

/// Shows what an act would do.
async fn ask(
    shared: &Shared,
    visit: &Visit,
    form: &FormBody,
    act: Act,
    target: &Target,
    mistyped: bool,
) -> Result<Response, Refusal> {
    let letters = target.letters(shared);
    let preview = dead_letters::preview(&shared.store, &shared.intake, &shared.clock, &letters).await?;
    let growth = match act {
        Act::Retry => {
            let letters = crate::domain::filter::DeadLetterFilter { failed_before: None, ..letters };
            let found = groups(&shared.store, &letters, shared.clock.now()).await?;
            Some(found.growth()).filter(|growth| *growth > 0.0).map(per_second)
        }
        Act::Discard => None,
    };
    let needs = match act {
        Act::Retry => preview.needs(&shared.inventory).into_iter().map(NeedRow::of).collect(),
        Act::Discard => Vec::new(),
    };
    let mut fields = target.fields();
    fields.push(("failedBefore", preview.counted_at.to_string()));
    fields.push(("count", preview.matched.to_string()));
    visit.html(&Ask {
        frame: Frame::of(shared, visit, Page::Queue),
        act,
        matched: preview.matched,
        later: preview.later,
        which: target.words(shared),
        counted_at: preview.counted_at,
        needs,
        growth,
        fields,
        typed: act == Act::Discard && preview.matched >= TYPED_FROM,
        mistyped,
        back: form.get("back").and_then(local).unwrap_or("/queue").to_owned(),
    })
}

/// Does what a preview announced.
pub(super) async fn execute(State(shared): State<Shared>, visit: Visit, form: FormBody) -> Result<Response, Refusal> {
    let act = form.get("act").and_then(Act::of_word).ok_or(Refusal::NotFound)?;
    let target = Target::read(&form, form.get("picked").is_some())?;
    if target.failed_before.is_none() {
        return Err(Refusal::invalid("failedBefore", "is missing"));
    }
    let count = form.get("count").and_then(|count| count.parse::<u64>().ok()).unwrap_or(0);
    if act == Act::Discard && count >= TYPED_FROM && typed(&form) != Some(count) {
        return ask(&shared, &visit, &form, act, &target, true).await;
    }
    let letters = target.letters(&shared);
    let moved = dead_letters::move_all(&shared.store, &shared.intake, &shared.clock, &letters, act.moves()).await;
    let notice = match moved {
        Ok(moved) => Notice { is_done: moved.done > 0, text: result(act, &moved) },
        Err(refusal) => Notice::failed(format!(
            "Not finished: some letters may have been moved. {} Look again before you repeat it.",
            sentence(&refusal)
        )),
    };
    Ok(visit.back(&form, &shared, &notice))
}

/// The number that was typed, with or without spaces between its digits.
fn typed(form: &FormBody) -> Option<u64> {
    form.get("typed")?.chars().filter(|c| !c.is_whitespace()).collect::<String>().parse().ok()
}

/// Retries one letter, as the page showed it: one that failed again since is another one.
async fn retry_one(shared: &Shared, visit: &Visit, form: &FormBody, job_id: &str) -> Response {
    let as_of = form.get("asOf").and_then(|text| Timestamp::parse(text).ok());
    let order = shared.job_ids.order(job_id);
    let notice = match order {
        Some(order) => {
            let moved = shared.intake.move_failed_before(vec![order], OperatorMove::Retry, as_of).await;
            one_notice(order, moved.map(|moved| moved.into_iter().map(|moved| moved.map(drop)).next()))
        }
        None => Notice::failed("There is no such dead letter."),
    };
    visit.back(form, shared, &notice)
}

fn one_notice(order: OrderId, moved: Result<Option<Result<(), Refusal>>, Refusal>) -> Notice {
    let number = text::whole(order.0);
    match moved {
        Ok(Some(Ok(()))) => Notice::done(format!("Order {number} is back in line.")),
        Ok(Some(Err(Refusal::JobNotFound))) => {
            Notice::failed(format!("Order {number} was retried or discarded already, or has failed again since."))
        }
        Ok(Some(Err(refusal))) | Err(refusal) => {
            Notice::failed(format!("Order {number} stays: {}. {}", why(refusal.code()), sentence(&refusal)))
        }
        Ok(None) => Notice::failed(format!("Order {number} was not retried.")),
    }
}

/// What became of letters, in a sentence.
fn result(act: Act, moved: &Moved) -> String {
    let done = text::whole(moved.done);
    let done = match (act, moved.matched) {
        (_, 0) => return "None was left: they were retried or discarded already.".to_owned(),
        (Act::Retry, _) => format!("{done} back in line"),
        (Act::Discard, _) => format!("{done} discarded"),
    };
    let stay: u64 = moved.stayed.values().sum();
    if stay == 0 {
        return format!("{done}.");
    }
    let mut reasons: Vec<_> = moved.stayed.iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let reasons = match reasons.as_slice() {
        [(code, _)] => why(code).to_owned(),
        reasons => {
            let each = reasons.iter().map(|(code, count)| format!("{} {}", text::whole(**count), why(code)));
            each.collect::<Vec<_>>().join(", ")
        }
    };
    format!("{done}, {} {}: {reasons}.", text::whole(stay), if stay == 1 { "stays" } else { "stay" })
}

/// Why a letter stays, in a word or two.
fn why(code: &str) -> &str {
    match code {
        "sold_out" => "no stock",
        "overloaded" => "the queue is full",
        "purchase_limit_exceeded" => "purchase limit",
        "sale_not_active" => "product not in the sale",
        "sale_not_started" => "sale not started",
        "sale_ended" => "sale ended",
        "job_not_found" => "moved already or failed again",
        "product_not_found" => "product deleted",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_result_says_how_many_stay_and_why() {
        let moved = |matched, done, stayed: &[(&'static str, u64)]| Moved {
            matched,
            done,
            stayed: BTreeMap::from_iter(stayed.iter().copied()),
        };
        for (moved, words) in [
            (moved(2_821, 2_790, &[("sold_out", 31)]), "2\u{202f}790 back in line, 31 stay: no stock."),
            (moved(1, 1, &[]), "1 back in line."),
            (moved(2, 1, &[("overloaded", 1)]), "1 back in line, 1 stays: the queue is full."),
            (moved(0, 0, &[]), "None was left: they were retried or discarded already."),
            (
                moved(9, 4, &[("overloaded", 1), ("sold_out", 4)]),
                "4 back in line, 5 stay: 4 no stock, 1 the queue is full.",
            ),
        ] {
            assert_eq!(result(Act::Retry, &moved), words);
        }
        assert_eq!(result(Act::Discard, &moved(3, 3, &[])), "3 discarded.");
    }
}
