//! What an operator does at a running server from the command line.

use serde_json::{Value, json};

use crate::harness::{Endpoint, Exited, Launch, Reply, Server, eventually, order_id};

/// Runs a command at a server, without a terminal.
async fn at(server: &Server, args: &[&str]) -> Exited {
    let url = format!("http://{}", server.address());
    Launch::bare(&[]).command(&[args, &["--server", &url]].concat()).await
}

/// What a command prints, which must succeed without a word on standard error.
async fn done(server: &Server, args: &[&str]) -> String {
    let exited = at(server, args).await;
    assert_eq!((exited.code, exited.stderr.as_str()), (Some(0), ""), "{args:?}: {exited:?}");
    exited.stdout
}

async fn json(server: &Server, args: &[&str]) -> Value {
    let printed = done(server, &[args, &["--json"]].concat()).await;
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{args:?}: {error}: {printed}"))
}

fn assert_failed(exited: &Exited, code: i32, words: &[&str]) {
    assert_eq!(exited.code, Some(code), "{exited:?}");
    assert!(exited.stderr.starts_with("error: ") && !exited.stderr.contains("panicked"), "{exited:?}");
    assert!(words.iter().all(|words| exited.stderr.contains(words)), "{words:?}: {exited:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn products_are_created_changed_and_deleted() {
    let server = Server::start().await;
    let made =
        json(&server, &["products", "create", "lamp", "--price", "1299.99", "--stock", "2000", "--in-sale", "true"])
            .await;
    assert_eq!(
        (&made["name"], &made["currentStock"], &made["flashSaleActive"]),
        (&json!("lamp"), &json!(2000), &json!(true))
    );
    let id = made["id"].to_string();
    let table = done(&server, &["products", "list"]).await;
    let lines: Vec<_> = table.lines().collect();
    assert!(lines.len() == 2 && lines[1].contains("lamp  -    1,299.99  2,000"), "{table}");
    assert_eq!(lines[0].find("NAME"), lines[1].find("lamp"), "{table}");
    let updated =
        ["products", "update", &id, "--hold-seconds", "60", "--per-user-limit", "3", "--current-stock", "1990"];
    done(&server, &updated).await;
    assert_eq!(
        done(&server, &["products", "restock", &id, "-5"]).await,
        format!("product {id} (lamp) has 1985 units left\n")
    );
    done(&server, &["products", "update", &id, "--per-user-limit", "none", "--sku", "LAMP-1"]).await;
    assert_failed(
        &at(&server, &["products", "create", "x", "--price", "1", "--stock", "1", "--sku", "LAMP-1"]).await,
        1,
        &["sku"],
    );
    done(&server, &["products", "update", &id, "--sku", "none", "--hidden", "true"]).await;
    done(&server, &["stock", "set", &format!("{id}=7")]).await;
    let product = server.get(&format!("/inventory/{id}")).await.expect(200).body;
    assert_eq!(
        [
            &product["holdSeconds"],
            &product["perUserLimit"],
            &product["currentStock"],
            &product["sku"],
            &product["hidden"]
        ],
        [&json!(60), &json!(null), &json!(7), &json!(null), &json!(true)]
    );
    assert_eq!(json(&server, &["products", "show", &id]).await, product);
    assert!(done(&server, &["products", "show", &id]).await.contains("holdSeconds      60\n"));
    assert_failed(&at(&server, &["products", "stop"]).await, 1, &["nothing was changed", "--yes"]);
    assert!(done(&server, &["products", "stop", "--yes"]).await.contains("is out of the sale"));
    assert!(done(&server, &["products", "start"]).await.contains("is back in the sale"));
    assert_failed(&at(&server, &["products", "delete", &id]).await, 1, &["nothing was changed", "--yes"]);
    assert_eq!(done(&server, &["products", "delete", &id, "--yes"]).await, format!("deleted product {id} (lamp)\n"));
    assert_failed(&at(&server, &["products", "show", &id]).await, 1, &["404"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_are_listed_page_by_page_and_json_is_that_of_the_api() {
    let server = Server::start().await;
    let held = server.create_with(json!({"holdSeconds": 600, "initialStock": 2_000})).await;
    let orders: Vec<_> =
        (0..700).map(|n| json!({"productId": held, "userId": format!("ada {n}"), "quantity": 1})).collect();
    server.post("/orders/batch", json!({"orders": orders})).await.expect(200);
    let all = json(&server, &["orders", "list", "--all"]).await;
    assert_eq!(all, json!(server.all("/orders?limit=500").await));
    assert_eq!(json(&server, &["orders", "list", "--limit", "501"]).await.as_array().unwrap().len(), 501);
    assert_eq!(done(&server, &["orders", "list"]).await.lines().count(), 51);
    let one = json(&server, &["orders", "list", "--user-id", "ada 7"]).await;
    assert_eq!(one[0]["userId"], "ada 7");
    assert_eq!(json(&server, &["orders", "list", "--user-id", "nobody"]).await, json!([]));
    let id = one[0]["id"].to_string();
    assert_eq!(done(&server, &["orders", "confirm", &id]).await, format!("order {id} is confirmed\n"));
    assert_failed(&at(&server, &["orders", "cancel", &id]).await, 1, &["nothing was changed", "--yes"]);
    assert_eq!(json(&server, &["orders", "cancel", &id, "--yes"]).await["status"], "cancelled");
    assert_eq!(json(&server, &["orders", "list", "--status", "cancelled"]).await.as_array().unwrap().len(), 1);
    assert_eq!(json(&server, &["orders", "show", &id]).await, server.get(&format!("/orders/{id}")).await.body);
    assert_failed(&at(&server, &["orders", "list", "--status", "lost"]).await, 2, &["pending, confirmed"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_are_counted_retried_and_discarded() {
    let service = Endpoint::start().await;
    service.script([], Reply::Status(422));
    let server =
        Server::with().env("FULFILLMENT_URL", &service.url()).env("FULFILLMENT_ALLOW_PRIVATE", "true").start().await;
    let product = server.create(10).await;
    for user in ["ada", "bob", "eve"] {
        let order = server.order(product, user, 1).await.expect(201);
        server.order_becomes(order_id(&order), "failed").await;
    }
    let letters = ["queue", "dead-letters"];
    let run = async |args: &[&str]| done(&server, &[&letters[..], args].concat()).await;
    assert_eq!(run(&["list"]).await.lines().count(), 4);
    let list = json(&server, &["queue", "dead-letters", "list"]).await;
    assert_eq!(list, server.get("/queue/dead-letter").await.body);
    assert_eq!(run(&["groups"]).await.lines().count(), 2);
    let dry = run(&["retry", "--dry-run", "--product-id", &product.to_string()]).await;
    assert!(dry.starts_with("3 dead letters would be put back") && dry.contains("needs 3 units and has 10"), "{dry}");
    let refused = at(&server, &["queue", "dead-letters", "discard"]).await;
    assert_failed(&refused, 1, &["discard 3 dead letters", "--yes"]);
    run(&["discard", list[0]["jobId"].as_str().unwrap(), "--yes"]).await;
    assert_eq!(run(&["discard", "--dry-run"]).await, "2 dead letters would be discarded\n");
    assert_eq!(run(&["discard", "--yes"]).await, "2 dead letters discarded\n");
    done(&server, &["queue", "pause"]).await;
    assert_eq!(json(&server, &["queue", "show"]).await["paused"], true);
    let status = done(&server, &["status"]).await;
    assert!(status.contains("queue   paused;") && status.contains("3 failed"), "{status}");
    done(&server, &["queue", "resume"]).await;
    let watched = Launch::bare(&["status", "--watch", "--server", &format!("http://{}", server.address())]);
    let mut watching = watched.spawn();
    eventually("the status a second time", async || {
        (watching.output().matches("queue   running;").count() >= 2).then_some(())
    })
    .await;
    watching.kill();
    let status = json(&server, &["status"]).await;
    assert_eq!(status["orders"], server.get("/orders/admin/metrics").await.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_reached_or_is_not_allowed_is_said_with_what_to_do() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let exited = Launch::bare(&["products", "list"]).env("PORT", &free).run().await;
    assert_failed(&exited, 1, &[&format!("http://127.0.0.1:{free}"), "start it", "--server"]);
    let server = Server::with().env("ADMIN_TOKEN", "long-enough").start().await;
    assert_failed(&at(&server, &["status"]).await, 1, &["ADMIN_TOKEN"]);
    assert_failed(&at(&server, &["orders", "list", "--token", "another-one"]).await, 1, &["ADMIN_TOKEN"]);
    let (_, port) = server.address().split_once(':').unwrap();
    let set = Launch::bare(&["status"]).env("PORT", port).env("HOST", "0.0.0.0").env("ADMIN_TOKEN", "long-enough");
    assert_eq!(set.run().await.code, Some(0));
    for args in [&["orders"][..], &["stock", "set", "1"], &["products", "update"], &["queue", "dead-letters"]] {
        assert_eq!(at(&server, args).await.code, Some(2), "{args:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sample_products_go_into_an_empty_store_or_a_running_server_once() {
    let launch = Server::with();
    assert_eq!(launch.command(&["seed"]).await.code, Some(0));
    assert_failed(&launch.command(&["seed"]).await, 1, &["already has products"]);
    let server = launch.start().await;
    let stored = server.get("/inventory").await.body;
    assert_failed(&at(&server, &["seed"]).await, 1, &["already has products"]);
    let other = Server::start().await;
    assert!(done(&other, &["seed"]).await.starts_with("created 5 sample products"));
    let seeded = other.get("/inventory").await.body;
    for (one, other) in stored.as_array().unwrap().iter().zip(seeded.as_array().unwrap()) {
        for member in ["id", "name", "price", "initialStock", "flashSaleActive"] {
            assert_eq!(one[member], other[member]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_server_is_exported_as_its_store_would_be_and_a_backup_verified() {
    let mut server = Server::start().await;
    let product = server.create(10).await;
    for user in ["ada", "bob"] {
        let order = server.order(product, user, 1).await.expect(201);
        server.order_becomes(order_id(&order), "confirmed").await;
    }
    let mut running = Vec::new();
    for subject in ["orders", "products", "jobs", "journal"] {
        running.push(done(&server, &["export", subject]).await);
    }
    let backup = server.launch.directory().join("b.backup");
    let backup = backup.to_str().unwrap();
    done(&server, &["backup", "-o", backup]).await;
    server.terminate().await;
    for (subject, running) in ["orders", "products", "jobs", "journal"].iter().zip(running) {
        assert_eq!(server.launch.command(&["export", subject]).await.stdout, running, "{subject}");
    }
    let before = std::fs::read_dir(server.launch.directory()).unwrap().count();
    let verified = server.launch.command(&["verify", backup]).await;
    assert!(verified.code == Some(0) && verified.stdout.contains("everything adds up"), "{verified:?}");
    assert_eq!(std::fs::read_dir(server.launch.directory()).unwrap().count(), before, "something is left behind");
    let mut bytes = std::fs::read(backup).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(backup, bytes).unwrap();
    assert_failed(&server.launch.command(&["verify", backup]).await, 1, &["cannot be used"]);
}
