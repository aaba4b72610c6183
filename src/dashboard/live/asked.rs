//! What the page Live is asked for, which is in its URL.

use axum::http::Uri;

use crate::domain::refusal::Refusal;
use crate::http::Query;

/// What the query asks for.
pub(super) struct Asked {
    /// The wall instead of the page.
    pub(super) is_wall: bool,
    /// The figures of the moment, although the sale is over.
    pub(super) figures: bool,
    /// What the charts show.
    pub(super) span: Span,
}

impl Asked {
    /// Reads the query.
    pub(super) fn read(uri: &Uri) -> Result<Self, Refusal> {
        let mut query = Query::of(uri, &["wall", "view", "range"]);
        let is_wall = query.read("wall", |_| Ok(())).is_some();
        let figures = query.read("view", |text| Ok(text == "figures")).unwrap_or(false);
        let span = query.read("range", Span::of_word).unwrap_or_default();
        query.finish()?;
        Ok(Self { is_wall, figures, span })
    }
}

/// How much time the charts show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Span {
    /// From shortly before the start of the sale, at least two minutes.
    #[default]
    Sale,
    /// The latest minutes.
    Minutes(u64),
}

impl Span {
    /// All of them with their words, in the order of the page.
    pub(super) const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::Sale, "", "Sale"),
        (Self::Minutes(2), "2m", "2 min"),
        (Self::Minutes(15), "15m", "15 min"),
        (Self::Minutes(60), "1h", "1 h"),
        (Self::Minutes(1_440), "24h", "24 h"),
    ];

    /// The span of a word.
    pub(super) fn of_word(word: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|(_, known, _)| *known == word);
        known.map(|(span, ..)| span).ok_or_else(|| "must be 2m, 15m, 1h or 24h".to_owned())
    }
}
