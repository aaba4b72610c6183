//! The mirror in Redis.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::process::Command;

use flashsale::limits::REDIS_CHANGES;
use serde_json::Value;

use super::conformance::{Lossy, Rows, Target, assert_equal, conforms, figure, place, with};
use crate::harness::redis::Redis;
use crate::harness::{Launch, Server, eventually, job_id, order_id};

impl Target for Redis {
    const MIRROR: &'static str = "redis";

    async fn start() -> Self {
        Self::start(&[]).await
    }

    fn port(&self) -> u16 {
        self.port()
    }

    fn settings(&self, port: u16) -> Vec<(&'static str, String)> {
        vec![("REDIS_HOST", "127.0.0.1".to_owned()), ("REDIS_PORT", port.to_string())]
    }

    async fn kill(&mut self) {
        self.kill().await;
    }

    async fn run(&mut self) {
        self.run().await;
    }

    fn clear(&mut self) {
        Self::clear(self);
    }

    fn signal(&self, name: &str) {
        self.signal(name);
    }

    async fn orders(&self) -> Rows {
        let jobs = jobs(self);
        let mut orders = rows(self, "order");
        // An order without its job, and a job without its order, is not what the store has.
        let mut without_job: BTreeSet<u64> = orders.keys().copied().collect();
        for (key, id) in jobs {
            let job_id = orders.entry(id).or_default().get("job_id");
            if job_id.is_some_and(|job_id| key == format!("flashsale:job:{job_id}")) {
                without_job.remove(&id);
            }
        }
        for id in without_job {
            orders.entry(id).or_default().remove("job_id");
        }
        orders
    }

    async fn products(&self) -> Rows {
        let products = rows(self, "product");
        // A list or a stock that says something else makes the rows differ.
        let listed: Vec<u64> = self.ask(&["ZRANGE", "flashsale:products", "0", "-1"]);
        let stock: BTreeMap<u64, String> = self.ask(&["HGETALL", "flashsale:stock"]);
        let current = products.iter().map(|(id, product)| (*id, product["current_stock"].clone()));
        if (listed, stock) != (products.keys().copied().collect(), current.collect()) {
            return Rows::default();
        }
        products
    }

    async fn reject(&self, order: u64) {
        let _: () = self.ask(&["SET", &format!("flashsale:order:{order}"), "in the way"]);
    }

    async fn accept(&self, order: u64) {
        let rejected: HashMap<String, String> = self.ask(&["HGETALL", "flashsale:rejected"]);
        assert!(rejected[&format!("order:{order}")].starts_with("WRONGTYPE"), "{rejected:?}");
        let _: () = self.ask(&["DEL", &format!("flashsale:order:{order}")]);
    }
}

fn keys(redis: &Redis, kind: &str) -> Vec<String> {
    redis.ask(&["KEYS", &format!("flashsale:{kind}:*")])
}

/// The keys of all jobs, with the numbers of their orders.
fn jobs(redis: &Redis) -> Vec<(String, u64)> {
    let script = "local jobs = {} \
        for _, key in ipairs(redis.call('KEYS', 'flashsale:job:*')) do \
            jobs[#jobs + 1] = {key, redis.call('GET', key)} \
        end return jobs";
    redis.ask(&["EVAL", script, "0"])
}

fn number(redis: &Redis, key: &str) -> u64 {
    redis.ask(&["GET", key])
}

/// The hashes of a kind; a key of another type is none.
fn rows(redis: &Redis, kind: &str) -> Rows {
    let script = "local rows = {} \
        for _, key in ipairs(redis.call('KEYS', 'flashsale:' .. ARGV[1] .. ':*')) do \
            if redis.call('TYPE', key).ok == 'hash' then rows[#rows + 1] = redis.call('HGETALL', key) end \
        end return rows";
    let found: Vec<BTreeMap<String, String>> = redis.ask(&["EVAL", script, "0", kind]);
    found.into_iter().map(|row| (row["id"].parse().unwrap(), row)).collect()
}

/// An id with fields.
type Entry = (String, HashMap<String, String>);

/// The stream.
fn events(redis: &Redis) -> Vec<Entry> {
    redis.ask(&["XRANGE", "flashsale:events", "-", "+"])
}

fn launch(redis: &Redis) -> Launch {
    with(redis, redis.port())
}

conforms!(Redis);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_is_in_the_stream_once_and_in_order_through_lost_replies_and_kills() {
    let mut redis = Redis::start(&[]).await;
    let lossy = Lossy::start(redis.port()).await;
    let mut server = with(&redis, lossy.port).start().await;
    let product = server.create(1_000).await;
    assert_equal(&redis, &server).await;
    lossy.lose().await;
    place(&server, product, 100).await;
    lossy.lose().await;
    redis.kill().await;
    place(&server, product, 100).await;
    redis.run().await;
    assert_equal(&redis, &server).await;
    server.kill9().await;
    server.restart().await;
    place(&server, product, 100).await;
    assert_equal(&redis, &server).await;
    server.terminate().await;
    assert_stream_is_journal(&redis, &server).await;
    server.restart().await;
}

/// Fails unless the stream has every change that the journal has since the first one in it, once and in its order.
async fn assert_stream_is_journal(redis: &Redis, server: &Server) {
    let journal = server.launch.command(&["export", "journal", "--format", "ndjson"]).await;
    assert_eq!(journal.code, Some(0), "{journal:?}");
    let changes = journal.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned).replace("null", "");
    let changes = changes.map(|change| {
        ["sequence", "kind", "orderId", "productId", "quantity", "heldDelta", "at"].map(|field| text(&change[field]))
    });
    let mut events = events(redis);
    assert_eq!(events.remove(0).1["type"], "mirror_rebuilt");
    let first: u64 = events[0].1["sequence"].parse().unwrap();
    let found: Vec<_> = events
        .iter()
        .map(|(_, event)| {
            ["sequence", "type", "order_id", "product_id", "quantity", "held_delta", "at"]
                .map(|field| event[field].clone())
        })
        .collect();
    let wanted: Vec<_> = changes.filter(|change| change[0].parse::<u64>().unwrap() >= first).collect();
    assert_eq!(found, wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_of_more_changes_than_one_transaction_takes_is_in_the_stream_once_through_lost_replies() {
    const PRODUCTS: usize = REDIS_CHANGES + 50;
    let redis = Redis::start(&[]).await;
    let lossy = Lossy::start(redis.port()).await;
    let mut server = with(&redis, lossy.port).start().await;
    for _ in 0..PRODUCTS {
        server.create(1).await;
    }
    assert_equal(&redis, &server).await;
    // Each is one record. Most of the replies that are lost are that of its first part; others are of live figures.
    for act in ["stop", "start", "stop", "start", "stop"] {
        server.act(&format!("/inventory/{act}")).await.expect(200);
        lossy.lose().await;
        assert_equal(&redis, &server).await;
    }
    server.terminate().await;
    assert_stream_is_journal(&redis, &server).await;
    let mut changes = BTreeMap::<String, usize>::new();
    events(&redis).iter().for_each(|(_, event)| *changes.entry(event["sequence"].clone()).or_default() += 1);
    assert_eq!(changes.values().filter(|changes| **changes == PRODUCTS).count(), 5);
    server.restart().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_of_the_stream_grow_over_a_restored_backup_so_that_groups_continue() {
    let redis = Redis::start(&[]).await;
    let mut server = launch(&redis).start().await;
    let product = server.create(1_000).await;
    server.launch.command(&["backup", "-o", "a.backup", "--server", &format!("http://{}", server.address())]).await;
    place(&server, product, 50).await;
    assert_equal(&redis, &server).await;
    let _: () = redis.ask(&["XGROUP", "CREATE", "flashsale:events", "mail", "$"]);
    server.terminate().await;
    let restored = server.launch.command(&["restore", "a.backup", "--force"]).await;
    assert_eq!(restored.code, Some(0), "{restored:?}");
    server.restart().await;
    assert_equal(&redis, &server).await;
    place(&server, product, 1).await;
    assert_equal(&redis, &server).await;
    let read = ["XREADGROUP", "GROUP", "mail", "one", "COUNT", "100", "STREAMS", "flashsale:events", ">"];
    let read: Vec<(String, Vec<Entry>)> = redis.ask(&read);
    let types: Vec<_> = read[0].1.iter().map(|(_, event)| event["type"].as_str()).collect();
    assert_eq!(types, ["mirror_rebuilt", "order_placed", "order_fulfilled"]);
    // Nothing of the history that was left is kept, once all keys were looked through.
    eventually("the end of the search", async || {
        let position: HashMap<String, String> = redis.ask(&["HGETALL", "flashsale:position"]);
        (!position.contains_key("sweeping") && !position.contains_key("rebuilding")).then_some(())
    })
    .await;
    assert_eq!((keys(&redis, "order").len(), keys(&redis, "job").len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_by_job_and_live_figures_are_there_with_hits_and_misses() {
    let redis = Redis::start(&[]).await;
    let server = launch(&redis).start().await;
    let product = server.create(10).await;
    let placed = server.order(product, "ada", 1).await.expect(201);
    assert_equal(&redis, &server).await;
    assert_eq!(number(&redis, &format!("flashsale:job:{}", job_id(&placed))), order_id(&placed));
    let live: String = eventually("the live figures", async || redis.ask(&["GET", "flashsale:metrics"])).await;
    assert!(serde_json::from_str::<Value>(&live).unwrap().is_object(), "{live}");
    assert!((1..=5_000).contains(&redis.ask::<i64>(&["PTTL", "flashsale:metrics"])));
    for key in ["flashsale:stock", "flashsale:none"] {
        let _: Option<String> = redis.ask(&["HGET", key, &product.to_string()]);
    }
    eventually("hits and misses", async || {
        let text = server.get("/metrics").await.expect(200).body.as_str().unwrap().to_owned();
        let count = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
        let (hits, misses) = (count("flash_sale_redis_hits_total")?, count("flash_sale_redis_misses_total")?);
        (hits > 0.0 && misses > 0.0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_server_is_noticed_and_has_its_own_place_below_another_prefix() {
    let redis = Redis::start(&[]).await;
    let first = launch(&redis).start().await;
    first.create(10).await;
    assert_equal(&redis, &first).await;
    let mut second = launch(&redis).start().await;
    second.writes("another flashsale server mirrors into it below flashsale:").await;
    second.launch.set("REDIS_PREFIX", "other:");
    second.restart().await;
    second.create(7).await;
    eventually("its product", async || {
        redis.ask::<Option<String>>(&["HGET", "other:stock", "1"]).filter(|stock| stock == "7")
    })
    .await;
    assert_equal(&redis, &first).await;
    assert_eq!(figure::<Redis>(&first, "rebuilds_total").await, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_redis_is_said_and_what_to_do_about_it() {
    let redis = Redis::start(&["--requirepass", "hunter2"]).await;
    let mut server = launch(&redis).start().await;
    server.writes("set REDIS_PASSWORD").await;
    server.launch.set("REDIS_PASSWORD", "wrong");
    server.restart().await;
    server.writes("correct REDIS_PASSWORD").await;
    server.launch.set("REDIS_PASSWORD", "hunter2");
    server.restart().await;
    let product = server.create(1_000).await;
    assert_equal(&redis, &server).await;
    for (wrong, right, words) in [
        (["CONFIG", "SET", "maxmemory", "1"], ["CONFIG", "SET", "maxmemory", "0"], "it is out of memory"),
        (["REPLICAOF", "127.0.0.1", "1", ""], ["REPLICAOF", "NO", "ONE", ""], "it is a replica"),
        (["SET", "flashsale:owner", "of another", ""], ["DEL", "flashsale:owner", "", ""], "another flashsale server"),
    ] {
        let ask = |words: [&str; 4]| {
            let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
            redis.ask::<::redis::Value>(&words);
        };
        ask(wrong);
        place(&server, product, 10).await;
        server.writes(words).await;
        ask(right);
        assert_equal(&redis, &server).await;
    }
    let other = Server::with().env("REDIS_URL", &format!("redis://{}", server.address())).start().await;
    other.writes("is not Redis").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_emptied_gets_everything_although_nobody_orders() {
    let redis = Redis::start(&[]).await;
    let server = launch(&redis).start().await;
    let product = server.create(1_000).await;
    place(&server, product, 20).await;
    assert_equal(&redis, &server).await;
    let _: () = redis.ask(&["FLUSHALL"]);
    assert_equal(&redis, &server).await;
    assert_eq!(figure::<Redis>(&server, "rebuilds_total").await, 2.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_of_somebody_else_in_the_stream_stops_nothing_and_ids_still_grow() {
    let redis = Redis::start(&[]).await;
    let server = launch(&redis).start().await;
    let product = server.create(100).await;
    place(&server, product, 3).await;
    assert_equal(&redis, &server).await;
    let _: String = redis.ask(&["XADD", "flashsale:events", "999999-7", "type", "mine"]);
    place(&server, product, 3).await;
    assert_equal(&redis, &server).await;
    place(&server, product, 2).await;
    assert_equal(&redis, &server).await;
    let later: Vec<Entry> = redis.ask(&["XRANGE", "flashsale:events", "999999-8", "+"]);
    let count = |kind: &str| later.iter().filter(|(_, event)| event["type"] == kind).count();
    assert_eq!((later.len(), count("order_placed"), count("order_fulfilled")), (10, 5, 5));
    assert_eq!(figure::<Redis>(&server, "rebuilds_total").await, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_that_come_and_go_in_the_place_of_rows_lose_no_row() {
    let redis = Redis::start(&[]).await;
    let server = launch(&redis).start().await;
    let product = server.create(1_000_000).await;
    let first = place(&server, product, 1).await[0];
    assert_equal(&redis, &server).await;
    let orders: Vec<_> = (first + 1..=first + 400).map(|id| format!("flashsale:order:{id}")).collect();
    let (mut connection, hindered) = (redis.connect().expect("a connection to Redis"), orders.clone());
    // A value in the way of each second order that is not there yet, for a moment, again and again.
    let script = "for at = 1 + ARGV[1] % 2, #KEYS, 2 do redis.call('SETNX', KEYS[at], 'mine') end \
        for at = 1, #KEYS do if redis.call('TYPE', KEYS[at]).ok == 'string' and (at + ARGV[1]) % 2 == 0 then \
            redis.call('DEL', KEYS[at]) end end";
    let hindering = std::thread::spawn(move || {
        for round in 0..400 {
            let mut command = ::redis::cmd("EVAL");
            command.arg(script).arg(hindered.len()).arg(&hindered).arg(round);
            command.query::<()>(&mut connection).unwrap();
        }
    });
    while !hindering.is_finished() {
        place(&server, product, 20).await;
    }
    hindering.join().unwrap();
    for key in &orders {
        let kind: String = redis.ask(&["TYPE", key]);
        if kind == "string" {
            let _: () = redis.ask(&["DEL", key]);
        }
    }
    assert_equal(&redis, &server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_that_read_and_acknowledge_all_the_time_do_not_disturb_the_mirror() {
    let redis = Redis::start(&[]).await;
    let server = launch(&redis).start().await;
    let product = server.create(1_000_000).await;
    assert_equal(&redis, &server).await;
    let _: () = redis.ask(&["XGROUP", "CREATE", "flashsale:events", "mail", "$"]);
    let mut connection = redis.connect().expect("a connection to Redis");
    let consuming = std::thread::spawn(move || {
        let read = ::redis::cmd("XREADGROUP")
            .arg("GROUP mail one COUNT 3 STREAMS flashsale:events >".split(' ').collect::<Vec<_>>())
            .take();
        let mut count = 0;
        while count < 2_000 {
            let Some(read) = read.query::<Option<Vec<(String, Vec<Entry>)>>>(&mut connection).unwrap() else {
                continue;
            };
            for (id, _) in &read[0].1 {
                ::redis::cmd("XACK").arg("flashsale:events").arg("mail").arg(id).query::<()>(&mut connection).unwrap();
                count += 1;
            }
        }
    });
    while !consuming.is_finished() {
        place(&server, product, 20).await;
    }
    consuming.join().unwrap();
    assert_equal(&redis, &server).await;
    assert!(!server.output().contains("the mirror tries again"), "{}", server.output());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_somebody_else_is_left_alone() {
    let redis = Redis::start(&[]).await;
    let _: () = redis.ask(&["SET", "flashsale:events", "mine"]);
    let server = launch(&redis).start().await;
    server.writes("the key flashsale:events is a string of somebody else").await;
    assert_eq!(redis.ask::<String>(&["GET", "flashsale:events"]), "mine");
    let _: () = redis.ask(&["DEL", "flashsale:events"]);
    server.create(1).await;
    assert_equal(&redis, &server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encrypted_connection_trusts_the_certificates_of_a_file_and_no_others() {
    let plain = Redis::new(&[]);
    let file = |name: &str| plain.directory().join(name).to_str().unwrap().to_owned();
    let authority = ["-subj", "/CN=the authority of a test", "-keyout", "ca.key", "-out", "ca.pem"];
    let signed = ["-subj", "/CN=redis", "-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", "key.pem", "-out", "cert.pem"];
    let names = ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"];
    for args in [&authority[..], &[&signed[..], &names[..]].concat()] {
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]).args(args);
        let made = openssl.current_dir(plain.directory()).output().expect("openssl");
        assert!(made.status.success(), "{made:?}");
    }
    let tls_port = Redis::new(&[]).port().to_string();
    let redis = Redis::start(&[
        "--tls-port",
        &tls_port,
        "--tls-cert-file",
        &file("cert.pem"),
        "--tls-key-file",
        &file("key.pem"),
        "--tls-auth-clients",
        "no",
    ])
    .await;
    let url = format!("rediss://127.0.0.1:{tls_port}/3");
    let mut server = Server::with().env("REDIS_URL", &url).start().await;
    server.writes("invalid peer certificate").await;
    server.launch.set("REDIS_CA_FILE", &file("ca.pem"));
    server.restart().await;
    server.create(7).await;
    eventually("its product in the database of the URL", async || {
        let keyspace: String = redis.ask(&["INFO", "keyspace"]);
        keyspace.contains("db3:").then_some(())
    })
    .await;
    let wrong = Server::with().env("REDIS_URL", &url).env("REDIS_CA_FILE", &file("key.pem")).run().await;
    assert!(wrong.code == Some(1) && wrong.stderr.contains("has no certificates in PEM"), "{wrong:?}");
}
