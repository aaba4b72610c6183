//! A run as the rehearsal of this program writes it.

use crate::domain::clock::{TimeError, Timestamp};
use crate::domain::digits::grouped;
use crate::drawing::figure::{Kind as Figure, NARROW};
use crate::drawing::text;
use crate::view::load_test::{
    FunnelView, LoadTestView, MachineView, PercentilesView, PhaseView, ScheduleView, SecondView, ServerView,
};

use super::contradictions;
use super::run::{Funnel, InputFile, Key, Kind, Phase, Run, Series, Source, Timeline};

/// The run that a file describes.
pub(super) fn run(mut view: LoadTestView, file: InputFile) -> Result<Run, TimeError> {
    let started = Timestamp::parse(&view.started_at)?;
    let contradictions = contradictions::of(&view);
    let facts = facts(&view);
    // What had no response comes last.
    view.codes.sort_by_key(|code| (code.status.unwrap_or(u16::MAX), std::cmp::Reverse(code.count)));
    let warning = (!view.schedule.kept)
        .then(|| "The generator fell behind its own schedule, so the latencies are not the server's alone.".to_owned());
    let mut phases: Vec<_> =
        view.phases.iter().map(|phase| Phase { name: phase.name.clone(), from_ms: phase.from_ms }).collect();
    phases.sort_by_key(|phase| phase.from_ms);
    let kinds = view.kinds.into_iter().map(|kind| Kind {
        name: kind.kind,
        buyers: kind.buyers,
        asked_and_got: Some([kind.asked, kind.got]),
    });
    Ok(Run {
        source: Source::Rehearsal,
        file,
        is_audited: true,
        started,
        duration_ms: view.duration_ms,
        checks: view.checks,
        contradictions,
        funnel: Some(funnel(view.funnel)),
        products: view.products,
        phases,
        events: view.events,
        requests: sum(&view.seconds, |second| second.requests),
        failed: sum(&view.seconds, |second| second.failed),
        timeline: timeline(&view.seconds),
        latency: view.latency,
        order_latency: Some(view.order_latency),
        p99_goal_ms: view.p99_goal_ms.filter(|goal| (0.001..1e9).contains(goal)),
        codes: view.codes,
        first: view.first,
        kinds: kinds.collect(),
        endpoints: view.endpoints,
        counters: Vec::new(),
        facts,
        warning,
        server_cpu_ms: view.server.cpu_ms,
        server_peak_bytes: view.server.peak_bytes,
    })
}

fn sum(seconds: &[SecondView], of: fn(&SecondView) -> u64) -> u64 {
    seconds.iter().map(of).fold(0, u64::saturating_add)
}

fn funnel(funnel: FunnelView) -> Funnel {
    Funnel {
        asked: funnel.asked,
        lost: funnel.lost,
        admitted: funnel.admitted,
        repeated: funnel.repeated,
        ends: Some([funnel.cancelled, funnel.failed, funnel.pending, funnel.confirmed]),
    }
}

/// The seconds as series. Where requests were sent and nothing came back, nothing was measured.
fn timeline(seconds: &[SecondView]) -> Timeline {
    let is_gap = |second: &SecondView| second.requests > 0 && second.responses == 0;
    let rate = |key: Key, of: fn(&SecondView) -> u64| {
        let value = |second: &SecondView| (!is_gap(second)).then(|| of(second) as f64);
        Series { key, values: seconds.iter().map(value).collect() }
    };
    let millis = |key: Key, of: fn(&PercentilesView) -> u64| Series {
        key,
        values: seconds.iter().map(|second| second.latency.as_ref().map(|of_it| of(of_it) as f64 / 1_000.0)).collect(),
    };
    let mut series = vec![
        rate(Key::Admitted, |second| second.admitted),
        rate(Key::Rejected, |second| second.refused),
        rate(Key::Responses, |second| second.responses),
        millis(Key::P99, |latency| latency.p99),
        millis(Key::P95, |latency| latency.p95),
        millis(Key::P50, |latency| latency.p50),
    ];
    if seconds.iter().any(|second| second.failed > 0) {
        // What failed is known in a gap too.
        series.push(Series { key: Key::Failed, values: seconds.iter().map(|it| Some(it.failed as f64)).collect() });
    }
    if seconds.iter().any(|second| second.left.is_some()) {
        let values = seconds.iter().map(|second| second.left.map(|left| left as f64)).collect();
        series.push(Series { key: Key::Left, values });
    }
    let mut timeline = Timeline { from_ms: 500, step_ms: 1_000, points: seconds.len(), series, gaps: Vec::new() };
    timeline.gaps = timeline.gaps_of(|at| is_gap(&seconds[at]));
    timeline
}

fn facts(view: &LoadTestView) -> Vec<(&'static str, String)> {
    let buyers = view.kinds.iter().fold(0_u64, |sum, kind| sum.saturating_add(kind.buyers));
    vec![
        ("Server", server(&view.server)),
        ("Machine", machine(&view.machine)),
        (
            "Load",
            format!(
                "scenario {}, {} buyers, open loop: arrivals do not wait for responses, and latency counts from the \
                 moment at which a request was meant to be sent",
                view.scenario,
                grouped(buyers)
            ),
        ),
        ("Rate", rates(&view.phases)),
        ("Schedule", schedule(&view.schedule)),
        ("Seed", view.seed.to_string()),
        ("Command", view.command.clone()),
    ]
}

fn server(server: &ServerView) -> String {
    let mut parts = vec![format!("flashsale {} at {}", server.version, server.url)];
    if server.own {
        parts.push("started by the rehearsal".to_owned());
    }
    parts.extend(server.store.as_ref().map(|store| format!("store on {store}")));
    parts.extend(used(server.cpu_ms, server.peak_bytes));
    if let Some(p99) = server.own_p99_ms {
        parts.push(format!("p99 of orders by its own histogram {}{NARROW}ms", Figure::Millis.text(Some(p99))));
    }
    parts.join(", ")
}

/// Processor time and memory in words.
fn used(cpu_ms: Option<u64>, peak_bytes: Option<u64>) -> Option<String> {
    let cpu =
        cpu_ms.map(|ms| format!("{}{NARROW}s of processor time", Figure::Seconds.text(Some(ms as f64 / 1_000.0))));
    let peak = peak_bytes.map(|bytes| format!("at most {} of memory", memory(bytes)));
    let parts: Vec<_> = cpu.into_iter().chain(peak).collect();
    (!parts.is_empty()).then(|| parts.join(" and "))
}

/// Bytes, in the unit that is read.
pub(super) fn memory(bytes: u64) -> String {
    match bytes {
        0..10_000_000_000 => format!("{}{NARROW}MB", Figure::Megabytes.text(Some(bytes as f64))),
        _ => format!("{}{NARROW}GiB", grouped(bytes >> 30)),
    }
}

fn machine(machine: &MachineView) -> String {
    format!(
        "{}, {}, {}, {}; generator on {}, {}",
        text::counted(machine.processors, "processor", "processors"),
        machine.processor,
        memory(machine.memory_bytes),
        machine.system,
        text::counted(machine.generator_threads, "thread", "threads"),
        used(Some(machine.generator_cpu_ms), Some(machine.generator_peak_bytes)).unwrap_or_default()
    )
}

fn rates(phases: &[PhaseView]) -> String {
    let rate = |value: f64| Figure::Rate.text(Some(value.max(0.0)));
    let phase = |phase: &PhaseView| {
        let [from, to] = phase.rate.map(rate);
        let rates = if from == to { from } else { format!("{from} to {to}") };
        format!("{} {} {rates}{NARROW}/s", text::run_time(phase.from_ms), phase.name)
    };
    match phases {
        [] => "not known".to_owned(),
        phases => format!("buyers that arrive: {}", phases.iter().map(phase).collect::<Vec<_>>().join("; ")),
    }
}

fn schedule(schedule: &ScheduleView) -> String {
    let late = |us: u64| format!("{}{NARROW}ms", Figure::Millis.text(Some(us as f64 / 1_000.0)));
    format!(
        "{}: {} of {} buyers sent on their way; 99{NARROW}% of the requests at most {} late, the latest {}; {}",
        if schedule.kept { "kept" } else { "not kept" },
        grouped(schedule.sent),
        grouped(schedule.due),
        late(schedule.late.p99),
        late(schedule.late.max),
        text::counted(schedule.connections, "connection", "connections"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn seconds_without_a_response_are_gaps_and_quiet_ones_are_not() {
        let second = |requests, responses| SecondView { requests, responses, ..SecondView::default() };
        let timeline = timeline(&[second(5, 5), second(5, 0), second(5, 0), second(0, 0), second(5, 0)]);
        assert_eq!(timeline.gaps, [[1_000, 3_000], [4_000, 5_000]]);
        assert_eq!(timeline.of(Key::Responses), Some(&[Some(5.0), None, None, Some(0.0), None][..]));
        assert_eq!((timeline.of(Key::Failed), timeline.of(Key::Left)), (None, None));
    }

    #[test]
    fn what_the_file_says_of_the_measurement_is_said_in_words() {
        let run = run(fixture::rehearsal(), fixture::file("run.json")).unwrap();
        let fact = |name| run.facts.iter().find(|(fact, _)| *fact == name).map_or("", |(_, text)| text.as_str());
        assert!(fact("Schedule").starts_with("kept: 402\u{202f}118 of 402\u{202f}118 buyers sent on their way"));
        assert!(fact("Rate").contains("0:20 ramp 80 to 26\u{202f}300\u{202f}/s"), "{}", fact("Rate"));
        assert!(fact("Machine").contains("32\u{202f}GiB") && run.warning.is_none(), "{}", fact("Machine"));
        let mut late = fixture::rehearsal();
        late.schedule.kept = false;
        assert!(super::run(late, fixture::file("run.json")).unwrap().warning.is_some());
    }
}
