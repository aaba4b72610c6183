//! What a start says is in force, and what a check of the settings says without one.

use serde_json::Value;

use crate::harness::{Launch, Server};

const TOKEN: &str = "a-token-of-operators";
const SHOP: &str = "a-token-of-the-storefront";

fn settings(launch: Launch) -> Launch {
    let tokens = launch.env("ADMIN_TOKEN", TOKEN).env("STOREFRONT_TOKEN", SHOP);
    let doors = tokens.env("CORS_ORIGINS", "https://shop.example").env("TRUSTED_PROXIES", "10.0.0.0/8,192.0.2.7");
    let public = doors.env("PUBLIC_URL", "https://shop.example/flash");
    public.env("MAX_CONNECTIONS", "500").env("QUEUE_CAPACITY", "1234").env("JOURNAL_KEEP_DAYS", "30")
}

/// What both say.
const LINES: [&str; 6] = [
    "access      operator routes need the admin token",
    "buyers      placing orders needs the storefront token; pages of https://shop.example",
    "proxies     10.0.0.0/8, 192.0.2.7/32 trusted; shown at https://shop.example/flash",
    "connections 500, of which 250 from one address and 250 for the live feed",
    "queue       1,234 jobs and ",
    "journal     30 days are kept",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_says_what_is_in_force_and_a_check_says_the_same_and_makes_nothing() {
    let launch = settings(Server::with());
    let data_dir = launch.data_dir();
    let checked = launch.command(&["check"]).await;
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(!data_dir.exists() && checked.stdout.contains("there is none yet"), "{checked:?}");
    let server = launch.start().await;
    let output = server.output();
    for line in LINES {
        assert!(checked.stdout.contains(line), "{line}: {checked:?}");
        assert!(output.contains(line), "{line}: {output}");
    }
    assert!(output.contains("API         https://shop.example/flash/docs"), "{output}");
    let readiness = server.get("/monitoring/readiness").await.expect(200).body;
    assert!(readiness.to_string().contains("room for 500 connections"), "{readiness}");
    for secret in [TOKEN, SHOP] {
        assert!(!output.contains(secret) && !checked.stdout.contains(secret), "a token is shown");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_log_is_json_a_start_says_it_in_fields() {
    let server = settings(Server::with()).env("LOG_FORMAT", "json").start().await;
    let output = server.output();
    let started = output
        .lines()
        .find_map(|line| serde_json::from_str::<Value>(line).ok().filter(|line| line["message"] == "started"));
    let started = started.unwrap_or_else(|| panic!("{output}"));
    assert_eq!((&started["admin_token"], &started["storefront_token"]), (&true.into(), &true.into()));
    assert_eq!((&started["max_connections"], &started["max_connections_per_ip"]), (&500.into(), &250.into()));
    assert_eq!((&started["queue_capacity"], &started["journal_keep_days"]), (&1234.into(), &30.into()));
    assert_eq!(started["docs"], "https://shop.example/flash/docs");
    assert!(started["connections_memory_bytes"].as_u64().unwrap() > 0 && started["max_open_files"].is_u64());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_names_all_that_keeps_a_server_from_starting_and_all_that_a_sale_would_trip_over() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let launch =
        Server::with().env("PORT", &port).env("FULFILLMENT_URL", "http://10.0.0.1/").env("RATE_LIMIT_PER_IP", "9");
    let checked = launch.env("CORS_ORIGINS", "*").env("PUBLIC_URL", "http://shop.example").command(&["check"]).await;
    assert_eq!(checked.code, Some(1), "{checked:?}");
    assert!(checked.stderr.contains("would not start"), "{checked:?}");
    let (trips, blocking) = checked.stdout.split_once("Why it could not start:").unwrap();
    for words in ["another PORT", "the fulfilment URL cannot be called"] {
        assert!(blocking.contains(words), "{words}: {checked:?}");
    }
    for words in ["set ADMIN_TOKEN", "name the shop's in CORS_ORIGINS", "set TRUSTED_PROXIES", "set FULFILLMENT_SECRET"]
    {
        assert!(trips.contains(words), "{words}: {checked:?}");
    }
}

/// The settings of all three mirrors, with a secret in each. Nothing is at these places.
fn mirrored(launch: Launch) -> Launch {
    let postgres = launch.env("DATABASE_URL", "postgres://ada:hunter2@127.0.0.1:1/shop?sslmode=disable");
    let redis = postgres.env("REDIS_URL", "redis://:hunter2@127.0.0.1:1/3").env("REDIS_PREFIX", "shop:");
    let events = redis.env("EVENTS_URL", "http://127.0.0.1:1/hooks/hunter2?key=hunter2");
    events.env("EVENTS_SECRET", "whsec_aHVudGVyMg==").env("EVENTS_ALLOW_PRIVATE", "true")
}

/// Where these mirrors go.
const PLACES: [(&str, &str); 3] = [
    ("mirror_postgres", "127.0.0.1:1, database shop, not encrypted"),
    ("mirror_redis", "127.0.0.1:1, database 3, keys shop:*, not encrypted"),
    ("mirror_events", "http://127.0.0.1:1, signed"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_and_a_check_name_the_mirrors_without_their_secrets() {
    let launch = mirrored(Server::with());
    let checked = launch.command(&["check"]).await;
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let output = launch.start().await.output();
    for (name, (_, place)) in ["mirrors     PostgreSQL", "Redis", "Events"].into_iter().zip(PLACES) {
        let line = format!("  {name}: {place}\n");
        assert!(checked.stdout.contains(&line), "{line}: {checked:?}");
        assert!(output.contains(&line), "{line}: {output}");
    }
    for secret in ["hunter2", "aHVudGVyMg"] {
        assert!(!output.contains(secret) && !checked.stdout.contains(secret), "a secret is shown: {output}");
    }
    let output = mirrored(Server::with()).env("LOG_FORMAT", "json").start().await.output();
    let started = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let started = started.into_iter().find(|line| line["message"] == "started").unwrap();
    for (field, place) in PLACES {
        assert_eq!(started[field], place, "{started}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_names_all_settings_of_mirrors_that_cannot_be_used_as_a_start_names_the_first() {
    let wrong = |launch: Launch| {
        let postgres = launch.env("DATABASE_HOST", "db.example").env("DATABASE_CA_FILE", "/nowhere/ca.pem");
        let redis = postgres.env("REDIS_URL", "http://:hunter2@cache.example");
        redis.env("EVENTS_URL", "https://shop.example/#hunter2")
    };
    let checked = wrong(Server::with()).command(&["check"]).await;
    assert_eq!(checked.code, Some(1), "{checked:?}");
    let blocking = checked.stdout.split_once("Why it could not start:").unwrap().1;
    for words in ["DATABASE_CA_FILE /nowhere/ca.pem has no cert", "REDIS_URL is not a URL", "the events URL must not"] {
        assert!(blocking.contains(words), "{words}: {checked:?}");
    }
    assert!(!checked.stdout.contains("hunter2"), "{checked:?}");
    let launch = wrong(Server::with());
    let data_dir = launch.data_dir();
    let started = launch.run().await;
    assert_eq!(started.code, Some(1), "{started:?}");
    assert!(started.stderr.contains("DATABASE_CA_FILE /nowhere/ca.pem") && !data_dir.exists(), "{started:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_names_what_keeps_a_mirror_away_and_what_its_receiver_cannot_tell() {
    let launch = Server::with().env("DATABASE_HOST", "127.0.0.1").env("DATABASE_MIGRATIONS", "/nowhere/migrations");
    let checked = launch.env("EVENTS_URL", "https://shop.example/hooks").command(&["check"]).await;
    assert_eq!(checked.code, Some(0), "{checked:?}");
    for words in
        ["PostgreSQL would stay away: cannot read /nowhere/migrations", "posts from others': set EVENTS_SECRET"]
    {
        assert!(checked.stdout.contains(words), "{words}: {checked:?}");
    }
}
