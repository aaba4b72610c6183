//! What the log says of requests.

use serde_json::{Value, json};

use crate::harness::{Answer, Server, eventually, order_id};

const TOKEN: &str = "a-token-of-operators";

/// The lines about the request with this id, once there is one.
async fn lines(server: &Server, id: &str) -> Vec<Value> {
    eventually("a line of a request", async || {
        let output = server.output();
        let lines = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let of_it: Vec<_> = lines.filter(|line| line["request_id"] == id).collect();
        (!of_it.is_empty()).then_some(of_it)
    })
    .await
}

/// The only line about the last response, which has these fields.
async fn assert_line(server: &Server, id: &str, level: &str, expected: Value) {
    let lines = lines(server, id).await;
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(line["level"], level, "{line}");
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&line[field], value, "{field} of {line}");
    }
    assert!(line["ms"].is_number(), "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_request_has_one_line_at_debug_and_each_act_of_an_operator_one_at_info() {
    let launch = Server::with().env("ADMIN_TOKEN", TOKEN).env("LOG_FORMAT", "json");
    let server = launch.env("RUST_LOG", "flashsale=debug").start().await;
    let held = server.create_with(json!({"holdSeconds": 600})).await;
    let placed = server.order(held, "a-buyer-of-lamps", 1).await.expect(201);
    let order = order_id(&placed);
    let id = |answer: &Answer| answer.headers["x-request-id"].to_str().unwrap().to_owned();

    let expected = json!({"method": "POST", "route": "/api/v1/orders", "status": 201, "order": order});
    assert_line(&server, &id(&placed), "DEBUG", expected).await;
    let rejected = server.order(held, "a-buyer-of-lamps", 100).await.expect(409);
    let expected = json!({"route": "/api/v1/orders", "status": 409, "order": null});
    assert_line(&server, &id(&rejected), "DEBUG", expected).await;
    let read = server.get("/orders/user/a-buyer-of-lamps").await.expect(200);
    let expected = json!({"method": "GET", "route": "/api/v1/orders/user/{userId}", "path": null, "status": 200});
    assert_line(&server, &id(&read), "DEBUG", expected).await;

    let path = format!("/orders/{order}/confirm");
    let stranger = server.client().with_token(None).act(&path).await.expect(401);
    assert_line(&server, &id(&stranger), "DEBUG", json!({"status": 401, "order": order})).await;
    let confirmed = server.act(&path).await.expect(200);
    let expected = json!({"method": "POST", "route": "/api/v1/orders/{id}/confirm", "status": 200, "order": order,
        "path": format!("/api/v1{path}"), "client": "127.0.0.1"});
    assert_line(&server, &id(&confirmed), "INFO", expected).await;
    let paused = server.act("/queue/pause").await.expect(200);
    assert_line(&server, &id(&paused), "INFO", json!({"path": "/api/v1/queue/pause"})).await;
    assert!(!server.output().contains("a-buyer-of-lamps"), "the log names a buyer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_info_only_acts_of_operators_have_a_line() {
    let server = Server::with().env("LOG_FORMAT", "json").start().await;
    let product = server.create(5).await;
    let placed = server.order(product, "ada", 1).await.expect(201);
    let many = json!({"orders": [{"productId": product, "userId": "ada", "quantity": 1}]});
    server.post("/orders/batch", many).await.expect(200);
    server.get("/inventory").await.expect(200);
    let paused = server.act("/queue/pause").await.expect(200);
    lines(&server, paused.headers["x-request-id"].to_str().unwrap()).await;
    let output = server.output();
    let lines = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let paths = lines.filter_map(|line| line["path"].as_str().map(str::to_owned));
    assert_eq!(paths.collect::<Vec<_>>(), ["/api/v1/inventory", "/api/v1/queue/pause"]);
    assert!(!output.contains(placed.headers["x-request-id"].to_str().unwrap()));
}
