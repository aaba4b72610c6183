use super::*;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn sample(millis: i64, units: f64) -> Sample {
    let mut sample = Sample::empty(at(millis));
    sample.set(Series::UnitsLeft, Some(units));
    sample
}

fn store(number: u8) -> HistoryId {
    HistoryId([number; 16])
}

fn read(history: &History, from: i64, to: i64, step: u64) -> HistoryView {
    let range = HistoryRange::of(at(0), Some(at(from)), Some(at(to)), Some(Duration::from_secs(step)));
    history.read(range.unwrap())
}

fn units(history: &History, from: i64, to: i64, step: u64) -> Vec<Option<f32>> {
    read(history, from, to, step).series.0[Series::UnitsLeft as usize].mean.clone()
}

fn kinds(history: &History) -> Vec<EventKind> {
    read(history, 0, 1_000_000, 1_000).events.iter().map(|event| event.kind.0).collect()
}

#[test]
fn samples_that_are_a_little_early_or_late_leave_no_gap_and_a_clock_that_is_set_does() {
    let history = History::open(None, store(1));
    for millis in [10_900, 11_990, 13_010, 14_005, 14_950] {
        history.record(&sample(millis, millis as f64));
    }
    assert_eq!(
        units(&history, 10_000, 15_000, 1),
        [10_900.0, 11_990.0, 13_010.0, 14_005.0, 14_950.0].map(Some).to_vec()
    );
    history.record(&sample(20_500, 20.0));
    assert_eq!(units(&history, 15_000, 21_000, 1), [None, None, None, None, None, Some(20.0)]);
    history.record(&sample(12_500, 12.0));
    assert_eq!(
        units(&history, 11_000, 14_000, 1),
        [Some(11_990.0), Some(12.0), Some(14_005.0)],
        "the newest one counts"
    );
    assert_eq!(units(&history, 20_000, 21_000, 1), [Some(20.0)], "what was later by the clock before stays");
}

#[test]
fn a_restart_has_all_points_and_says_how_the_run_before_ended() {
    let dir = tempfile::tempdir().unwrap();
    let history = History::open(Some(dir.path()), store(1));
    history.begin(at(1_000), LastRun::Stopped);
    history.record(&sample(1_500, 7.0));
    history.note(at(2_000), EventKind::SoldOut, Some(ProductId(3)), "It is sold out.".to_owned());
    history.close();
    let history = History::open(Some(dir.path()), store(1));
    history.begin(at(60_000), LastRun::Killed);
    history.record(&sample(60_000, 8.0));
    history.close();
    let history = History::open(Some(dir.path()), store(2));
    history.begin(at(90_000), LastRun::Stopped);
    assert_eq!(units(&history, 0, 120_000, 60), [Some(7.0), Some(8.0)]);
    assert_eq!(units(&history, 1_000, 3_000, 1), [Some(7.0), None]);
    use EventKind::{Restart, Restored, SoldOut, Start};
    assert_eq!(kinds(&history), [Start, SoldOut, Restart, Restored, Start]);
    assert_eq!(history.moments(SoldOut), [(Some(ProductId(3)), at(2_000))]);
}

#[test]
fn a_run_that_is_killed_loses_nothing_that_was_written_a_moment_ago() {
    let dir = tempfile::tempdir().unwrap();
    let history = History::open(Some(dir.path()), store(1));
    history.begin(at(1_000), LastRun::Stopped);
    history.record(&sample(1_500, 7.0));
    // Nothing is closed: what counts is that the file gets it by itself.
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    loop {
        let again = History::open(Some(dir.path()), store(1));
        if units(&again, 1_000, 2_000, 1) == [Some(7.0)] && kinds(&again) == [EventKind::Start] {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "the file does not have it");
        std::thread::yield_now();
    }
}

#[test]
fn without_a_directory_or_a_disk_the_history_is_in_memory() {
    let gone = std::path::Path::new("/nonexistent/flashsale");
    for dir in [None, Some(gone)] {
        let history = History::open(dir, store(1));
        history.begin(at(1_000), LastRun::Stopped);
        history.record(&sample(1_000, 5.0));
        assert_eq!(units(&history, 1_000, 2_000, 1), [Some(5.0)]);
        history.close();
    }
}

#[test]
fn a_range_of_the_whole_month_is_read_in_a_moment() {
    let history = History::open(None, store(1));
    for minute in 0..44_640 {
        history.inner.lock().rings.record(minute * 60, &[Some(1.0); Series::COUNT]);
    }
    let started = std::time::Instant::now();
    let view = read(&history, 0, 44_640 * 60_000, 1_800);
    assert_eq!(view.points, 1_488);
    assert!(view.series.0.iter().all(|series| series.min.iter().all(|value| *value == Some(1.0))));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}
