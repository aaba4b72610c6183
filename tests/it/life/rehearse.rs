//! `flashsale rehearse`: honest servers pass, also through a kill and an outage, and lying ones are caught.

mod liar;

use std::path::Path;

use serde_json::Value;

use crate::harness::{Exited, Launch, Server};
use liar::{Liar, Lie};

/// Forty buyers within two seconds for ten units.
const SMALL: &str = r#"
about = "small"
[[products]]
name = "Lamp"
stock = 10
price = "9.99"
[[phases]]
name = "rush"
seconds = 2
rate = 20
[buyers]
buy = 1
[behaviour]
think_ms = [0, 5]
"#;

/// Every kind of buyer, for a product that is held and one that is not.
const EVERYBODY: &str = r#"
about = "everybody"
[[products]]
name = "Lamp"
stock = 60
price = "9.99"
per_user_limit = 2
[[products]]
name = "Chair"
stock = 30
price = "49.00"
hold_seconds = 1
[[phases]]
name = "rush"
seconds = 4
rate = 20
ramp_to = 80
[buyers]
buy = 4
double_click = 2
come_back = 2
give_up = 2
cancel = 2
pay_late = 2
bots = 1
[behaviour]
think_ms = [0, 100]
"#;

/// Runs it with a scenario of this text, from `dir`; gives its results too, if it wrote some.
async fn rehearse(dir: &Path, scenario: &str, args: &[&str]) -> (Exited, Option<Value>) {
    let (file, json) = (dir.join("mine.toml"), dir.join("run.json"));
    std::fs::write(&file, scenario).unwrap();
    let place = dir.to_str().unwrap();
    let mut words = vec!["rehearse", file.to_str().unwrap(), "--json", json.to_str().unwrap()];
    if !args.contains(&"--server") {
        words.extend(["--dir", place]);
    }
    words.extend(args);
    let exited = Launch::bare(&[]).command(&words).await;
    let results = std::fs::read(&json).ok().map(|text| serde_json::from_slice(&text).unwrap());
    (exited, results)
}

/// The names of the checks that do not hold.
fn broken(results: &Value) -> Vec<&str> {
    let checks = results["checks"].as_array().unwrap().iter();
    checks.filter(|check| check["holds"] == false).map(|check| check["name"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_and_an_outage_amid_every_kind_of_buyer_break_no_promise() {
    let dir = tempfile::tempdir().unwrap();
    let (exited, results) = rehearse(dir.path(), EVERYBODY, &["--kill", "--fulfillment-outage", "--seed", "7"]).await;
    let results = results.unwrap();
    assert_eq!((exited.code, broken(&results)), (Some(0), vec![]), "{exited:?}");
    let kinds: Vec<_> = results["events"].as_array().unwrap().iter().map(|event| &event["kind"]).collect();
    assert!(kinds.contains(&&"kill".into()) && kinds.contains(&&"fulfillment_outage".into()), "{kinds:?}");
    for kind in results["kinds"].as_array().unwrap() {
        assert!(kind["buyers"].as_u64() > Some(0), "{kind}");
    }
    let funnel = &results["funnel"];
    let sum = |names: &[&str]| names.iter().map(|name| funnel[name].as_u64().unwrap()).sum::<u64>();
    let lost: u64 = funnel["lost"].as_array().unwrap().iter().map(|lost| lost["count"].as_u64().unwrap()).sum();
    assert_eq!(sum(&["asked"]), lost + sum(&["admitted"]), "{funnel}");
    assert_eq!(sum(&["admitted"]), sum(&["repeated", "cancelled", "failed", "pending", "confirmed"]), "{funnel}");
    assert!(exited.stdout.contains("10 of 10 checks hold."), "{exited:?}");
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "only the scenario and the results stay: {left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_seed_brings_the_same_buyers() {
    let run = async || {
        let dir = tempfile::tempdir().unwrap();
        let (exited, results) = rehearse(dir.path(), EVERYBODY, &["--short", "--seed", "3"]).await;
        assert_eq!(exited.code, Some(0), "{exited:?}");
        let kinds = results.unwrap()["kinds"].take();
        kinds.as_array().unwrap().iter().map(|kind| kind["buyers"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(run().await, run().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_lie_of_a_server_is_caught_by_its_name() {
    let server = Server::start().await;
    for (lie, name) in [
        (Lie::None, ""),
        (Lie::OversellsByOne, "stock"),
        (Lie::LosesOne, "lost"),
        (Lie::RefusesTooEarly, "sold_out"),
        (Lie::PromisesOneOrderTwice, "one_buyer"),
    ] {
        let liar = Liar::start(server.address(), lie).await;
        let dir = tempfile::tempdir().unwrap();
        let (exited, results) = rehearse(dir.path(), SMALL, &["--server", &liar.url()]).await;
        let results = results.unwrap();
        let broken = broken(&results);
        let caught = if name.is_empty() { broken.is_empty() } else { broken.contains(&name) };
        assert!(caught, "{lie:?}: {broken:?} {exited:?}");
        assert_eq!((exited.code, &results["held"]), (Some(i32::from(!name.is_empty())), &name.is_empty().into()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_rehearsed_is_said_before_anything_is_started() {
    let dir = tempfile::tempdir().unwrap();
    for (args, code, words) in [
        (&["--kill", "--server", "http://127.0.0.1:1"][..], 2, "--kill"),
        (&["--server", "http://127.0.0.1:1"], 1, "http://127.0.0.1:1"),
        (&["--connections", "0"], 2, "--connections"),
    ] {
        let (exited, results) = rehearse(dir.path(), SMALL, args).await;
        assert!(exited.code == Some(code) && exited.stderr.contains(words), "{exited:?}");
        assert!(results.is_none());
    }
    let nowhere = dir.path().join("no-such-directory");
    let missing = nowhere.join("run.json");
    for (args, code, words) in [
        (&["rehearse", "no-such-scenario"][..], 2, "hyper"),
        (&["rehearse", "missing.toml"], 2, "cannot be read"),
        (&["rehearse", "limited", "--json", missing.to_str().unwrap()], 1, "no-such-directory"),
        (&["rehearse", "limited", "--dir", nowhere.to_str().unwrap()], 1, "no-such-directory"),
    ] {
        let exited = Launch::bare(&[]).command(args).await;
        assert!(exited.code == Some(code) && exited.stderr.contains(words), "{args:?}: {exited:?}");
    }
}
