//! `flashsale analyze`.

use serde_json::{Value, json};

use super::{assert_done, assert_refused, eventful, order_in_batches};
use crate::harness::{Exited, Launch, Server, eventually, order_id};

async fn analyze(launch: &Launch, args: &[&str]) -> Exited {
    launch.command(&[&["analyze"], args].concat()).await
}

/// The analysis as JSON.
async fn figures(launch: &Launch, args: &[&str]) -> Value {
    let analyzed = analyze(launch, &[args, &["--json"]].concat()).await;
    assert_done(&analyzed);
    assert!(analyzed.stderr.is_empty(), "progress without a terminal: {analyzed:?}");
    serde_json::from_str(&analyzed.stdout).expect(&analyzed.stdout)
}

/// What people read. It fits into 80 columns.
async fn page(launch: &Launch, args: &[&str]) -> String {
    let analyzed = analyze(launch, args).await;
    assert_done(&analyzed);
    for line in analyzed.stdout.lines() {
        assert!(line.chars().count() <= 80, "{line:?} is too long");
    }
    analyzed.stdout
}

#[tokio::test]
async fn a_running_server_and_its_stopped_store_give_the_same_analysis() {
    let mut server = Server::start().await;
    let lamp = server.create(100).await;
    let held = server.create_with(json!({"holdSeconds": 600, "name": "Lampe \"山\""})).await;
    for buyer in ["ada", "bob", "ada", "eve"] {
        let order = server.order(lamp, buyer, 2).await.expect(201);
        server.order_becomes(order_id(&order), "confirmed").await;
    }
    server.act("/orders/2/cancel").await.expect(200);
    server.order(held, "zoe", 1).await.expect(201);
    server.put(&format!("/inventory/{lamp}"), json!({"currentStock": 0})).await.expect(200);
    let url = format!("http://{}", server.address());
    let scopes: [&[&str]; 4] = [&[], &["--product", "1"], &["--first", "1"], &["--from", "2999-01-01T00:00:00Z"]];
    let mut running = Vec::new();
    for scope in scopes {
        running.push(figures(&server.launch, &[scope, &["--server", &url]].concat()).await);
    }
    let of_server = page(&server.launch, &["--server", &url]).await;
    let unused = analyze(&server.launch, &[]).await;
    assert_refused(&unused, "stop it first, or name the server with --server URL");
    server.terminate().await;
    for (scope, running) in scopes.iter().zip(&running) {
        assert_eq!(figures(&server.launch, scope).await, *running, "{scope:?}");
    }
    assert_eq!(page(&server.launch, &[]).await, of_server);

    let all = &running[0];
    assert_eq!((&all["ok"], &all["totalOrders"], &all["strayOrders"]), (&json!(true), &json!(5), &json!(0)));
    let outcome: Vec<_> = all["outcome"].as_array().unwrap().iter().map(|of| (&of["orders"], &of["share"])).collect();
    let [one, three, none] = [(json!(1), json!(20.0)), (json!(3), json!(60.0)), (json!(0), json!(0.0))];
    assert_eq!(outcome, [(&one.0, &one.1), (&three.0, &three.1), (&none.0, &none.1), (&one.0, &one.1)]);
    // Bob's order was cancelled.
    let buyers: Vec<_> = all["firstBuyers"].as_array().unwrap().iter().map(|buyer| &buyer["userId"]).collect();
    assert_eq!(buyers, ["ada", "eve", "zoe"]);
    let lamps = &all["products"][0];
    assert_eq!(
        (&lamps["soldStock"], &lamps["currentStock"], &lamps["soldShare"]),
        (&json!(6), &json!(0), &json!(100.0))
    );
    assert_eq!((&all["revenue"], &lamps["revenue"]), (&json!("60.00"), &json!("60.00")));
    assert!(lamps["soldOutAfter"].is_f64() && all["products"][1]["soldOutAt"].is_null(), "{all}");
    assert_eq!(running[1]["products"].as_array().unwrap().len(), 1);
    assert_eq!((&running[2]["firstBuyers"].as_array().unwrap().len(), &running[3]["totalOrders"]), (&1, &json!(0)));
    assert_eq!((&running[3]["ok"], &running[3]["products"][0]["soldByOrders"]), (&json!(true), &json!(6)));
    for words in [
        "confirmed  3     60 %",
        "Lampe \"山\"",
        "eve",
        "100 %",
        "left + 1 held + 6 sold",
        "Yes: 2 products, held and sold recounted from 5 orders.",
    ] {
        assert!(of_server.contains(words), "{words:?} is not in {of_server}");
    }
}

#[tokio::test]
async fn an_empty_store_has_nothing_to_analyze_and_adds_up() {
    let mut server = Server::start().await;
    server.terminate().await;
    let empty = page(&server.launch, &[]).await;
    assert!(empty.contains("There are no products and no orders."), "{empty}");
    let mut server = server.launch.clone().start().await;
    server.create(5).await;
    server.terminate().await;
    let unsold = page(&server.launch, &[]).await;
    assert!(unsold.contains("There are no orders.") && unsold.contains("Yes: "), "{unsold}");
    assert_refused(&analyze(&server.launch, &["--product", "7"]).await, "there is no product 7");
    assert_refused(&analyze(&server.launch, &["--data-dir", "nowhere"]).await, "there is no store");
    let unreachable = analyze(&server.launch, &["--server", "http://127.0.0.1:1"]).await;
    assert_refused(&unreachable, "cannot get a backup from the server at http://127.0.0.1:1");
    for wrong in [&["--first", "1001"], &["--from", "yesterday"]] {
        assert_eq!(analyze(&server.launch, wrong).await.code, Some(2));
    }
}

#[tokio::test]
async fn many_orders_are_all_counted_while_more_come_in() {
    let mut server = Server::start().await;
    let product = server.create(20_000).await;
    order_in_batches(&server, product, "buyer-", 15, 1_000).await;
    let url = format!("http://{}", server.address());
    let more = tokio::spawn({
        let client = server.client();
        async move {
            for n in 0..200 {
                client.order(product, &format!("late-{n}"), 1).await.expect(201);
            }
        }
    });
    let during = figures(&server.launch, &["--server", &url]).await;
    more.await.unwrap();
    let orders = during["totalOrders"].as_u64().unwrap();
    assert!(during["ok"] == true && (15_000..=15_200).contains(&orders), "{during}");
    let all_confirmed = async || {
        let counts = server.get("/orders/admin/metrics").await.expect(200).body;
        (counts["confirmedOrders"] == 15_200).then_some(())
    };
    eventually("all orders to be confirmed", all_confirmed).await;
    server.terminate().await;
    let after = figures(&server.launch, &["--first", "1000"]).await;
    assert_eq!((&after["totalOrders"], &after["products"][0]["soldStock"]), (&json!(15_200), &json!(15_200)));
    let buyers = after["firstBuyers"].as_array().unwrap();
    assert_eq!(
        (buyers.len(), &buyers[999]["userId"], &buyers[999]["place"]),
        (1_000, &json!("buyer-0-999"), &json!(1_000))
    );
    let busiest = after["busiestSeconds"].as_array().unwrap();
    assert!(busiest.len() <= 5 && after["rates"]["peak"] == busiest[0]["orders"], "{after}");
    page(&server.launch, &["--first", "20"]).await;
}

#[tokio::test]
async fn a_span_of_time_and_a_product_select_orders_and_leave_the_check_whole() {
    let launch = eventful().await;
    let all = figures(&launch, &[]).await;
    let exported = launch.command(&["export", "orders"]).await;
    let orders: Vec<Value> = exported.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (fifth, tenth) = (orders[4]["createdAt"].as_str().unwrap(), orders[9]["createdAt"].as_str().unwrap());
    let within = orders.iter().filter(|order| (fifth..=tenth).contains(&order["createdAt"].as_str().unwrap()));
    let span = figures(&launch, &["--from", fifth, "--to", tenth]).await;
    assert_eq!(span["totalOrders"], within.count());
    assert_eq!((&span["from"], &span["to"]), (&json!(fifth), &json!(tenth)));
    let checked = |view: &Value| {
        view["products"].as_array().unwrap().iter().map(|it| it["countedOrders"].clone()).collect::<Vec<_>>()
    };
    assert_eq!((checked(&span), checked(&all)), (vec![json!(20), json!(6)], vec![json!(20), json!(6)]));
    let one = figures(&launch, &["--product", "2"]).await;
    assert_eq!((&one["totalOrders"], &one["productId"], checked(&one)), (&json!(6), &json!(2), vec![json!(6)]));
}
