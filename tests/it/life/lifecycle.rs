//! Starting, stopping, and refusing to start.

use std::net::TcpListener;

use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::harness::{
    Answer, Client, Endpoint, Exited, Launch, Reply, Server, assert_problem, eventually, job_id, order_id, read_answer,
    within, write_all,
};

/// Fails unless the process ended with this code and a sentence on standard error that mentions `about`.
fn assert_said(exited: &Exited, code: i32, about: &str) {
    assert_eq!(exited.code, Some(code), "{exited:?}");
    let said = exited.stderr.to_lowercase();
    assert!(said.contains(&about.to_lowercase()), "not a word of {about}: {exited:?}");
    assert!(!said.contains("panicked") && !said.contains("backtrace"), "{exited:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_says_where_it_listens_where_its_data_is_and_that_it_is_open() {
    let server = Server::start().await;
    let output = server.output();
    let data = server.launch.data_dir();
    for said in [server.address(), data.to_str().unwrap(), "open"] {
        assert!(output.contains(said), "not a word of {said}: {output}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_server_says_what_it_recovered() {
    let mut server = Server::start().await;
    let product = server.create(1_000).await;
    for _ in 0..137 {
        server.order(product, "ada", 1).await.expect(201);
    }
    server.restart().await;
    let output = server.output();
    let says = |line: &str| line.contains("137") && line.to_lowercase().contains("order");
    assert!(output.lines().any(says), "not a word of 137 orders: {output}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_a_command_serves() {
    let launch = Launch::bare(&[]).env("PORT", "0").env("RATE_LIMIT_PER_USER", "0").env("RATE_LIMIT_PER_IP", "0");
    let server = launch.start().await;
    let product = server.create(1).await;
    server.order(product, "ada", 1).await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_alive_and_ready() {
    let server = Server::start().await;
    server.get_root("/livez").await.expect(200);
    server.get_root("/readyz").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flags_beat_the_environment_which_beats_the_dotenv_file() {
    let launch = Server::with();
    std::fs::write(launch.directory().join(".env"), "QUEUE_CAPACITY=7\n").unwrap();
    let mut server = launch.start().await;
    assert_eq!(server.get("/queue").await.expect(200).body["capacity"], 7);
    server.launch.set("QUEUE_CAPACITY", "8");
    server.restart().await;
    assert_eq!(server.get("/queue").await.expect(200).body["capacity"], 8);
    server.launch = server.launch.clone().arg("--queue-capacity=9");
    server.restart().await;
    assert_eq!(server.get("/queue").await.expect(200).body["capacity"], 9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_before_sigterm_is_there_after_it() {
    let mut server = Server::start().await;
    let product = server.create(100_000).await;
    let mut buyers = JoinSet::new();
    for buyer in 0..16 {
        let client = server.client();
        buyers.spawn(async move { buy_until_the_end(&client, product, buyer).await });
    }
    eventually("some orders", async || {
        (server.get("/orders/admin/metrics").await.expect(200).body["totalOrders"].as_u64()? > 50).then_some(())
    })
    .await;
    server.signal_term();
    let accepted = buyers.join_all().await.concat();
    let exited = server.exit().await;
    assert_eq!(exited.code, Some(0), "{exited:?}");
    server.restart().await;
    for (order, job) in accepted {
        let found = server.get(&format!("/orders/{order}")).await.expect(200);
        assert_eq!(found.body["jobId"], job);
    }
}

/// Also where it says only later that it listens. The moment between the two is short, so several servers try it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_has_responded_closes_its_store_at_sigterm() {
    for _ in 0..12 {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let launch = Server::with().env("PORT", &port.to_string());
        let mut process = launch.spawn();
        let client = Client::new(&format!("127.0.0.1:{port}"));
        let ready = || crate::harness::request(hyper::Method::GET, "/readyz", None, b"");
        eventually("a response", async || client.try_send(ready()).await.ok()).await;
        process.signal("TERM");
        let exited = process.exit().await;
        assert_eq!(exited.code, Some(0), "{exited:?}");
        assert!(!launch.data_dir().join("flashsale.redb.wal").exists(), "the store is open: {exited:?}");
    }
}

/// Buys until the server does not answer any more, and gives the orders that were accepted.
async fn buy_until_the_end(client: &Client, product: u64, buyer: u64) -> Vec<(u64, String)> {
    let mut accepted = Vec::new();
    loop {
        let body = json!({"productId": product, "userId": format!("buyer-{buyer}"), "quantity": 1}).to_string();
        let order =
            crate::harness::request(hyper::Method::POST, "/api/v1/orders", Some("application/json"), body.as_bytes());
        match client.try_send(order).await {
            Ok(answer) if answer.status == 201 => accepted.push((order_id(&answer), job_id(&answer))),
            Ok(answer) => assert_problem(&answer, 503, "shutting_down"),
            Err(_) => return accepted,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_has_not_arrived_whole_at_sigterm_is_dropped_and_places_nothing() {
    let mut server = Server::start().await;
    let product = server.create(10).await;
    let body = json!({"productId": product, "userId": "ada", "quantity": 1}).to_string();
    let head = format!(
        "POST /api/v1/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let stream = TcpStream::connect(server.address()).await.unwrap();
    write_all(&stream, head.as_bytes()).await.unwrap();
    let go_on = within("the word to go on", read_answer(&stream)).await;
    assert!(go_on.starts_with("HTTP/1.1 100 "), "{go_on}");
    server.signal_term();
    eventually("a server that takes nobody new", async || {
        match server.try_send(crate::harness::request(hyper::Method::GET, "/readyz", None, b"")).await {
            Ok(answer) if answer.status == 200 => None,
            _ => Some(()),
        }
    })
    .await;
    // The connection may be closed by then.
    let _ = write_all(&stream, body.as_bytes()).await;
    let answer = within("the end of the connection", read_answer(&stream)).await;
    // On a busy machine the rest may come before the server has dropped the request; then it is rejected.
    if !answer.is_empty() {
        assert_problem(&Answer::parse(&answer), 503, "shutting_down");
    }
    let exited = server.exit().await;
    assert_eq!(exited.code, Some(0), "{exited:?}");
    server.restart().await;
    assert_eq!(server.stock(product).await, [10, 0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_being_fulfilled_at_sigterm_is_fulfilled_once_it_is_started_again() {
    let endpoint = Endpoint::start().await;
    endpoint.script([Reply::Hang], Reply::Status(200));
    let mut server = Server::with()
        .env("FULFILLMENT_URL", &endpoint.url())
        .env("FULFILLMENT_ALLOW_PRIVATE", "true")
        .env("FULFILLMENT_TIMEOUT_MS", "1000")
        .env("FULFILLMENT_RETRY_DELAY_MS", "100")
        .start()
        .await;
    let product = server.create(10).await;
    let order = order_id(&server.order(product, "ada", 2).await.expect(201));
    endpoint.await_deliveries(1).await;
    server.terminate().await;
    server.restart().await;
    server.order_becomes(order, "confirmed").await;
    assert_eq!(server.stock(product).await, [8, 0, 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_do_not_keep_a_server_from_going() {
    let mut server = Server::start().await;
    let mut connection = server.connect().await;
    connection.assert_usable().await;
    let silent = TcpStream::connect(server.address()).await.unwrap();
    server.terminate().await;
    drop(silent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_server_on_the_same_data_says_so_and_leaves_the_first_alone() {
    let server = Server::start().await;
    let product = server.create(10).await;
    let data = server.launch.data_dir();
    let second = server.launch.run().await;
    assert_said(&second, 1, data.to_str().unwrap());
    server.order(product, "ada", 1).await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listening_beyond_loopback_needs_a_token() {
    for host in ["0.0.0.0", "::"] {
        let exited = Server::with().env("HOST", host).run().await;
        assert!(matches!(exited.code, Some(1 | 2)), "{exited:?}");
        assert_said(&exited, exited.code.unwrap(), "ADMIN_TOKEN");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_is_taken_is_said() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    assert_said(&Server::with().env("PORT", &port).run().await, 1, &port);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_usage_exits_with_2() {
    for args in [&["serve", "--colour=red"][..], &["--colour"], &["dance"], &["serve", "extra"], &["serve", "--port=x"]]
    {
        let exited = Launch::bare(args).run().await;
        assert_eq!(exited.code, Some(2), "{args:?}: {exited:?}");
        assert!(!exited.stderr.is_empty(), "{args:?}");
    }
    for (name, value) in [("PORT", "99999"), ("PORT", "http"), ("WORKERS", "many"), ("QUEUE_CAPACITY", "-1")] {
        let exited = Server::with().env(name, value).run().await;
        assert_eq!(exited.code, Some(2), "{name}={value}: {exited:?}");
        let said = exited.stderr.to_uppercase().replace('-', "_");
        assert!(said.contains(name), "not a word of {name}: {exited:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn help_names_the_variable_of_every_setting() {
    let exited = Launch::bare(&["serve", "--help"]).run().await;
    assert_eq!(exited.code, Some(0), "{exited:?}");
    for variable in ["HOST", "PORT", "DATA_DIR", "ADMIN_TOKEN", "WORKERS", "QUEUE_CAPACITY", "FULFILLMENT_URL"] {
        assert!(exited.stdout.contains(variable), "{variable} is missing: {}", exited.stdout);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_that_is_not_ours_is_refused_and_left_as_it_is() {
    let mut server = Server::start().await;
    server.create(10).await;
    server.terminate().await;
    let data = server.launch.data_dir();
    let garbage = b"not a store at all ".repeat(1_000);
    let files: Vec<_> = std::fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty(), "no data in {data:?}");
    for file in files.iter().filter(|file| file.is_file()) {
        std::fs::write(file, &garbage).unwrap();
    }
    assert_said(&server.launch.run().await, 1, data.to_str().unwrap());
    let kept = files.iter().filter(|file| std::fs::read(file).is_ok_and(|bytes| bytes == garbage)).count();
    assert!(kept > 0, "the file that could not be read was overwritten");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_directory_that_is_a_file_is_said() {
    let launch = Server::with();
    std::fs::write(launch.data_dir(), "in the way").unwrap();
    assert_said(&launch.run().await, 1, launch.data_dir().to_str().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_is_verified_while_no_server_has_it_even_after_a_kill() {
    let mut server = Server::start().await;
    let product = server.create(100).await;
    for buyer in 0..30 {
        server.order(product, &format!("buyer-{buyer}"), 1).await.expect(201);
    }
    let data = server.launch.data_dir();
    assert_said(&server.launch.verify().await, 1, data.to_str().unwrap());
    server.kill9().await;
    let verified = server.launch.verify().await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
    server.restart().await;
    assert_eq!(server.all("/orders").await.len(), 30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verifying_what_is_not_there_creates_nothing() {
    let launch = Launch::bare(&["verify"]);
    assert_said(&launch.run().await, 1, launch.data_dir().to_str().unwrap());
    assert!(!launch.data_dir().exists(), "verify made a store");
}
