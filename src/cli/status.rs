//! `flashsale status`.

use clap::Args;
use serde_json::Value;

use crate::client::{Call, OPEN_STATES, jobs};
use crate::limits::STATUS_PERIOD;

use super::output::write_more;
use super::remote::{Remote, RemoteArgs};
use super::run::{CommandError, Definition, Run};
use super::table::{block, plain, safe_json, shown};

/// The routes that are asked, and the member of the JSON that each response becomes.
const PARTS: [(&str, &str); 5] = [
    ("health", "/monitoring/health"),
    ("stock", "/inventory/metrics"),
    ("orders", "/orders/admin/metrics"),
    ("queue", "/queue"),
    ("alerts", "/monitoring/alerts"),
];

/// Show at a glance how a running server and its sale are
#[derive(Debug, Args)]
pub(super) struct Status {
    /// Show it again every two seconds, until Ctrl-C
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    server: RemoteArgs,
}

impl Run for Status {
    fn run(self, _: Definition) -> Result<(), CommandError> {
        let server = self.server.connect()?;
        while print(&server)? && self.watch {
            server.calls().pause(STATUS_PERIOD);
            // JSON stays one object a line.
            if !server.json && !write_more(b"\n")? {
                break;
            }
        }
        Ok(())
    }
}

/// Prints how the server is now; false when nobody reads on.
fn print(server: &Remote) -> Result<bool, CommandError> {
    let replies = PARTS.iter().map(|(_, path)| server.call(&Call::get(path)));
    let replies = replies.collect::<Result<Vec<_>, _>>()?;
    let values = replies.iter().map(|reply| server.parsed::<Value>(reply)).collect::<Result<Vec<_>, _>>()?;
    if server.json {
        let parts = PARTS.iter().zip(&replies);
        let parts = parts.map(|((name, _), reply)| format!("\"{name}\":{}", String::from_utf8_lossy(&reply.body)));
        let json = safe_json(&parts.collect::<Vec<_>>().join(","));
        return write_more(format!("{{{json}}}\n").as_bytes());
    }
    write_more(block(&lines(server.server(), &values)).as_bytes())
}

/// What people read, line by line; `values` are those of [`PARTS`].
fn lines(server: &str, values: &[Value]) -> Vec<(&'static str, String)> {
    let [health, stock, orders, queue, alerts] = values else { return Vec::new() };
    let state = if queue["paused"] == true { "paused" } else { "running" };
    let open = jobs(queue, &OPEN_STATES);
    let mut lines = vec![
        ("server", format!("{server}: {}", shown(&health["status"]))),
        (
            "stock",
            format!(
                "{} of {} units left in {} products; {} sold out, {} low",
                shown(&stock["totalCurrentStock"]),
                shown(&stock["totalInitialStock"]),
                shown(&stock["totalProducts"]),
                shown(&stock["outOfStockProducts"]),
                shown(&stock["lowStockProducts"]),
            ),
        ),
        (
            "orders",
            format!(
                "{}: {} confirmed, {} pending, {} failed, {} cancelled",
                shown(&orders["totalOrders"]),
                shown(&orders["confirmedOrders"]),
                shown(&orders["pendingOrders"]),
                shown(&orders["failedOrders"]),
                shown(&orders["cancelledOrders"]),
            ),
        ),
        (
            "queue",
            format!(
                "{state}; {} open jobs, {} of them active; {} completed a second; {} dead letters",
                shown(&open.into()),
                shown(&queue["counts"]["active"]),
                shown(&queue["completedPerSecond"]),
                shown(&queue["deadLetters"]),
            ),
        ),
    ];
    let alerts = alerts["alerts"].as_array().map(Vec::as_slice).unwrap_or_default();
    if alerts.is_empty() {
        lines.push(("alerts", "none".to_owned()));
    }
    lines.extend(alerts.iter().map(|alert| {
        let text = |name: &str| plain(alert[name].as_str().unwrap_or_default());
        ("alert", format!("{} {}: {} {}", text("severity"), text("code"), text("message"), text("action")))
    }));
    lines
}
