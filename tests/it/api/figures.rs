//! The figures of the moment, the benchmark report and the reset, compared with what was sent.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::harness::{Server, assert_problem, eventually};

async fn figures(server: &Server) -> Value {
    server.get("/monitoring/metrics").await.expect(200).body
}

async fn report(server: &Server) -> Value {
    server.get("/monitoring/benchmark").await.expect(200).body
}

/// Waits for a sample in which these fields have these values: one is taken each second.
async fn sampled(server: &Server, expected: &[(&str, Value)]) -> Value {
    let all_are = |body: &Value| expected.iter().all(|(path, value)| body.pointer(path) == Some(value));
    eventually(&format!("{expected:?}"), async || Some(figures(server).await).filter(all_are)).await
}

fn number(body: &Value, field: &str) -> f64 {
    body[field].as_f64().unwrap_or_else(|| panic!("{field} is no number in {body}"))
}

/// Two orders that are confirmed, two that come too late, one for no product, and a batch with one that is too late.
async fn sell_out(server: &Server) {
    let product = server.create_with(json!({"initialStock": 3, "price": "10.50"})).await;
    for (user, quantity) in [("ada", 2), ("bob", 1)] {
        let order = server.order(product, user, quantity).await.expect(201).body["orderId"].as_u64().unwrap();
        server.order_becomes(order, "confirmed").await;
    }
    assert_problem(&server.order(product, "eve", 1).await, 409, "sold_out");
    assert_problem(&server.order(product, "eve", 2).await, 409, "sold_out");
    assert_problem(&server.order(99, "mallory", 1).await, 404, "product_not_found");
    let batch = json!({"orders": [{"productId": product, "userId": "eve", "quantity": 1}]});
    server.post("/orders/batch", batch).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_figures_are_those_of_what_was_sent() {
    let server = Server::start().await;
    sell_out(&server).await;
    let expected = [
        ("/totalOrders", json!(2)),
        ("/successfulOrders", json!(2)),
        ("/pendingOrders", json!(0)),
        ("/rejected/sold_out", json!(3)),
        ("/rejected/product_not_found", json!(1)),
        ("/rejected/rate_limited", json!(0)),
        ("/revenue", json!("31.50")),
        ("/activeUsers", json!(4)),
        ("/visitors", json!(1)),
        ("/conversionRate", json!(50.0)),
        ("/successRate", json!(100.0)),
        ("/unitsLeft", json!(0)),
        ("/unitsSold", json!(3)),
        ("/sale/phase", json!("sold_out")),
    ];
    let sample = sampled(&server, &expected).await;
    let times = ["p50", "p95", "p99", "max"].map(|name| number(&sample["responseTime"], name));
    assert!(times[0] > 0.0 && times.is_sorted(), "{sample}");
    assert!(number(&sample, "peakOrdersPerSecond") > 0.0 && number(&sample["commit"], "p99") > 0.0, "{sample}");
    assert!(number(&sample, "memoryBytes") > 1e6 && number(&sample, "openFiles") > 5.0, "{sample}");
    assert!(number(&sample, "diskFreeBytes") > 0.0 && number(&sample, "activeConnections") >= 1.0, "{sample}");
    assert!(number(&sample, "averageProcessingTime") >= 0.0, "{sample}");
    let cpu = eventually("the processor time", async || figures(&server).await["cpuPercent"].as_f64()).await;
    assert!((0.0..=100.0).contains(&cpu), "{cpu}");
    let later = eventually("an idle second", async || {
        Some(figures(&server).await).filter(|sample| number(sample, "ordersPerSecond") == 0.0)
    });
    assert_eq!(later.await["failedPercent"], Value::Null, "of nothing there is no percentage");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_report_is_about_each_request_for_an_order() {
    let server = Server::start().await;
    sell_out(&server).await;
    let report = report(&server).await;
    for (field, value) in [("totalRequests", 5), ("successfulRequests", 5), ("failedRequests", 0)] {
        assert_eq!(report[field], value, "{field} in {report}");
    }
    let codes = report["codes"].as_object().unwrap();
    assert_eq!(codes.values().filter_map(Value::as_u64).sum::<u64>(), 5, "{report}");
    for (code, count) in [("201", 2), ("409 sold_out", 2), ("404 product_not_found", 1), ("503 overloaded", 0)] {
        assert_eq!(codes[code], count, "{code} in {report}");
    }
    assert_eq!(number(&report, "errorRate"), 0.0);
    let [mean, p50, p99, max] =
        ["averageLatency", "p50Latency", "p99Latency", "maxLatency"].map(|field| number(&report, field));
    assert!(0.0 < p50 && p50 <= p99 && p99 <= max && mean <= max, "{report}");
    assert!(number(&report, "peakConcurrency") >= 1.0 && number(&report, "peakConnections") >= 1.0, "{report}");
    let seconds = number(&report, "testDuration");
    let throughput = number(&report, "throughput");
    assert!((throughput - 5.0 / seconds).abs() < 0.05 * throughput + 0.01, "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_starts_the_measurement_anew_and_nothing_else() {
    let server = Server::start().await;
    sell_out(&server).await;
    sampled(&server, &[("/totalOrders", json!(2)), ("/rejected/sold_out", json!(3))]).await;
    for path in ["/monitoring/metrics/reset", "/monitoring/metrics/reset/clear", "/monitoring/metrics/clear"] {
        let before = Instant::now();
        assert_eq!(server.act(path).await.expect(200).body["success"], true);
        let sample = figures(&server).await;
        let fields = ["/totalOrders", "/rejected/sold_out", "/peakOrdersPerSecond"];
        assert!(fields.iter().all(|field| sample.pointer(field).and_then(Value::as_f64) == Some(0.0)), "{sample}");
        assert_eq!((&sample["revenue"], &sample["conversionRate"]), (&json!("0.00"), &Value::Null));
        assert_eq!((&sample["successfulOrders"], &sample["activeUsers"]), (&json!(2), &json!(4)), "not of the run");
        let report = report(&server).await;
        assert_eq!((&report["totalRequests"], &report["maxLatency"]), (&json!(0), &Value::Null), "{report}");
        assert!(number(&report, "testDuration") <= before.elapsed().as_secs_f64(), "{report}");
    }
    let product = server.create(1).await;
    server.order(product, "zoe", 1).await.expect(201);
    let sample = sampled(&server, &[("/totalOrders", json!(1)), ("/conversionRate", json!(100.0))]).await;
    assert_eq!(sample["rejected"]["sold_out"], 0);
    assert_eq!(report(&server).await["totalRequests"], 1);
    let scrape = server.get_root("/metrics").await.expect(200);
    let text = scrape.body.as_str().unwrap();
    for line in [
        "flash_sale_orders_rejected_total{code=\"sold_out\"} 3",
        "flash_sale_order_latency_seconds_count 6",
        "flash_sale_orders_total{status=\"pending\"} 3",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} is not in {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_most_requests_at_once_are_those_that_were_under_way_together() {
    let server = Server::start().await;
    let head = "POST /api/v1/orders HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: 90\r\n\r\n{";
    let mut open = Vec::new();
    for _ in 0..5 {
        let mut stream = TcpStream::connect(server.client().address()).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        open.push(stream);
    }
    eventually("five under way", async || (report(&server).await["peakConcurrency"] == 5).then_some(())).await;
    drop(open);
    server.order(99, "ada", 1).await.expect(404);
    let report = report(&server).await;
    // A peak stays; the order may come before the server has seen that the others have gone.
    assert!((5.0..=6.0).contains(&number(&report, "peakConcurrency")), "{report}");
    assert!(number(&report, "peakConnections") >= 5.0, "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_is_documented_and_no_other() {
    let server = Server::start().await;
    let product = server.create(1).await;
    server.order(product, "ada", 1).await.expect(201);
    // What the system says of the process comes a moment after the start.
    let text = eventually("all metrics", async || {
        let scrape = server.get_root("/metrics").await.expect(200);
        let text = scrape.body.as_str().unwrap().to_owned();
        (text.contains("process_open_fds ") && text.contains("disk_free_bytes ")).then_some(text)
    });
    let text = text.await;
    let served: BTreeSet<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let document = include_str!("../../../docs/METRICS.md");
    let cells = document.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    // The first table is of paths.
    let names = cells.filter_map(|cell| cell.split('{').next()).filter(|name| !name.contains(' '));
    let documented: BTreeSet<_> = names.collect();
    assert_eq!(served, documented);
    // Each time in the same order.
    let names = |text: &str| -> Vec<String> {
        let samples = text.lines().filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned()));
        samples.filter(|name| !name.starts_with('#') && !name.contains("route=\"/metrics\"")).collect()
    };
    let again = server.get_root("/metrics").await.expect(200);
    assert_eq!(names(&text), names(again.body.as_str().unwrap()));
}
