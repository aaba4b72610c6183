//! The mirrors, during and after a sale: whether their targets are there, how far they are behind, and what they do.

use crate::domain::clock::Timestamp;
use crate::domain::mirror::{Mirror, MirrorPlace};
use crate::view::metrics::MirrorView;

use super::super::figures::{Figure, Kind, NARROW, percent};
use super::super::state::Shared;
use super::super::text;

/// One mirror.
pub(super) struct MirrorRow {
    /// Its word on the wire.
    pub(super) word: &'static str,
    pub(super) name: &'static str,
    /// Where it goes.
    pub(super) target: String,
    pub(super) icon: &'static str,
    pub(super) tone: &'static str,
    /// Records that the target lacks; unknown before it was first there.
    pub(super) behind: Figure,
    pub(super) seconds: Figure,
    pub(super) rate: Figure,
    /// How it is; a sentence or two.
    pub(super) state: String,
    /// What the target was doing; empty if it is away.
    pub(super) own: String,
    /// What it rejected; empty if nothing.
    pub(super) aside: String,
    /// What lists that.
    pub(super) list: String,
    /// Why it is away; empty if it is not.
    pub(super) error: String,
}

/// The mirrors that are set, in the order of [`Mirror::ALL`].
pub(super) fn rows(shared: &Shared) -> Vec<MirrorRow> {
    let (metrics, now) = (shared.monitor.latest(), shared.clock.now());
    let row = |place: &MirrorPlace| {
        let view = metrics.mirrors.0.get(place.mirror.as_str()).cloned().unwrap_or_default();
        MirrorRow::of(place, &view, now)
    };
    shared.mirrors.iter().map(row).collect()
}

impl MirrorRow {
    fn of(place: &MirrorPlace, view: &MirrorView, now: Timestamp) -> Self {
        let (icon, tone) = match view.connected {
            true if view.rebuilding => ("info", "dim"),
            true => ("check", "dim"),
            false => ("warning", "warn"),
        };
        let error = view.last_error.as_deref().filter(|_| !view.connected);
        let behind = view.position.map(|_| view.lag_events as f64);
        Self {
            word: place.mirror.as_str(),
            name: place.mirror.name(),
            target: place.target.clone(),
            icon,
            tone,
            behind: Figure::column("behind", Kind::Count, behind),
            seconds: Figure::column("seconds", Kind::Seconds, Some(view.lag_seconds)),
            rate: Figure::rate("rate", view.changes_per_second),
            state: state(view, now),
            own: own(view),
            aside: aside(place.mirror, view.put_aside),
            list: place.aside.clone(),
            error: error.map_or("", |error| place.mirror.reason(error)).to_owned(),
        }
    }
}

/// What a mirror does, and what its absence means for orders: nothing.
fn state(view: &MirrorView, now: Timestamp) -> String {
    if view.connected {
        return if view.rebuilding { "Connected; everything is copied." } else { "Connected." }.to_owned();
    }
    // In the first second of a server there is no sample that has it.
    let Some(since) = view.away_since else { return "Not looked at yet.".to_owned() };
    let waits = match view.position {
        Some(_) => match view.lag_events {
            0 => "nothing waits".to_owned(),
            records => text::counted(records, "record waits", "records wait"),
        },
        None => "what it lacks is copied once it is there".to_owned(),
    };
    format!("Away since {}. Orders are not affected; {waits}.", text::moment(since.0, now))
}

/// What the target counts itself.
fn own(view: &MirrorView) -> String {
    if !view.connected {
        return String::new();
    }
    match (view.connections, view.hits, view.misses) {
        (Some(connections), ..) => format!("{}.", text::counted(connections, "connection", "connections")),
        (_, Some(hits), Some(misses)) if hits + misses > 0 => {
            let found = percent(100.0 * hits as f64 / (hits + misses) as f64);
            format!("{found}{NARROW}% of {} found their key.", text::counted(hits + misses, "read", "reads"))
        }
        _ => String::new(),
    }
}

fn aside(mirror: Mirror, count: u64) -> String {
    match (count, mirror) {
        (0, _) => String::new(),
        (_, Mirror::Events) => format!("{} rejected, kept in", text::counted(count, "event", "events")),
        _ => format!("{} rejected, listed by", text::counted(count, "row", "rows")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::text::AsText;

    fn away(since: i64, position: Option<u64>) -> MirrorView {
        let away_since = Some(AsText(Timestamp::from_millis(since)));
        MirrorView { away_since, position, lag_events: 12_403, ..MirrorView::default() }
    }

    fn spaced(text: &str) -> String {
        text.replace('_', NARROW)
    }

    #[test]
    fn a_mirror_that_is_away_says_since_when_and_that_orders_go_on() {
        let now = Timestamp::from_millis(86_400_000 + 60_000);
        let today = state(&away(86_400_000 + 31_000, Some(7)), now);
        assert_eq!(today, spaced("Away since 00:00:31. Orders are not affected; 12_403 records wait."));
        let before = state(&MirrorView { lag_events: 1, ..away(31_000, Some(7)) }, now);
        assert_eq!(before, "Away since 1970-01-01 00:00:31. Orders are not affected; 1 record waits.");
        let new = state(&away(86_400_000, None), now);
        assert_eq!(state(&MirrorView::default(), now), "Not looked at yet.");
        assert_eq!(new, "Away since 00:00:00. Orders are not affected; what it lacks is copied once it is there.");
    }

    #[test]
    fn a_mirror_that_is_there_shows_what_its_target_counts() {
        let there = MirrorView { connected: true, ..MirrorView::default() };
        assert_eq!((state(&there, Timestamp::from_millis(0)).as_str(), own(&there).as_str()), ("Connected.", ""));
        assert_eq!(own(&MirrorView { connections: Some(1), ..there.clone() }), "1 connection.");
        let redis = MirrorView { hits: Some(1_999), misses: Some(1), ..there.clone() };
        assert_eq!(own(&redis), spaced("99.95_% of 2_000 reads found their key."));
        assert_eq!(own(&MirrorView { hits: Some(0), misses: Some(0), ..there }), "");
    }

    #[test]
    fn what_was_rejected_is_counted_with_where_it_is() {
        assert_eq!(aside(Mirror::Redis, 0), "");
        assert_eq!(aside(Mirror::Postgres, 1), "1 row rejected, listed by");
        assert_eq!(aside(Mirror::Events, 1_200), spaced("1_200 events rejected, kept in"));
    }
}
