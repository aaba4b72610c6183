//! Products' tags: what is unchanged is not sent again, and what was changed elsewhere is not overwritten.

use hyper::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Client, Server, assert_problem, request};

async fn send(client: &Client, method: Method, path: &str, header: (&'static str, &str), body: &Value) -> Answer {
    let bytes = if body.is_null() { String::new() } else { body.to_string() };
    let content_type = (!body.is_null()).then_some("application/json");
    let mut request = request(method, &format!("/api/v1{path}"), content_type, bytes.as_bytes());
    request.headers_mut().insert(header.0, header.1.parse().unwrap());
    client.try_send(request).await.unwrap()
}

async fn put_if(client: &Client, path: &str, tag: &str, body: Value) -> Answer {
    send(client, Method::PUT, path, ("if-match", tag), &body).await
}

async fn tag_of(client: &Client, path: &str) -> String {
    let answer = client.get(path).await.expect(200);
    let tag = answer.header("etag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2, "{tag}");
    tag
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_response_with_a_product_has_the_tag_of_its_state() {
    let server = Server::start().await;
    let created = server.post("/inventory", json!({"name": "Lamp", "initialStock": 9, "price": 1})).await.expect(201);
    let path = format!("/inventory/{}", created.body["id"]);
    assert_eq!(tag_of(&server, &path).await, created.header("etag"));
    let unchanged = send(&server, Method::GET, &path, ("if-none-match", created.header("etag")), &Value::Null).await;
    assert_eq!((unchanged.status, unchanged.header("etag")), (304, created.header("etag")));
    let updated = server.put(&path, json!({"flashSaleActive": true})).await.expect(200);
    assert_ne!(updated.header("etag"), created.header("etag"));
    let restocked = server.post(&format!("{path}/restock"), json!({"quantity": 1})).await.expect(200);
    assert_eq!(tag_of(&server, &path).await, restocked.header("etag"));
    server.order(created.body["id"].as_u64().unwrap(), "ada", 1).await.expect(201);
    let known = send(&server, Method::GET, &path, ("if-none-match", restocked.header("etag")), &Value::Null).await;
    assert_eq!(known.expect(200).body["currentStock"], json!(9), "a sold unit is another state");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_that_was_read_before_units_were_sold_does_not_put_them_back() {
    let server = Server::start().await;
    let product = server.create(10).await;
    let path = format!("/inventory/{product}");
    let form = json!({"name": "Lamp", "currentStock": 10});
    let needed = server.put(&path, form.clone()).await;
    assert_problem(&needed, 428, "precondition_required");
    let tag = tag_of(&server, &path).await;
    assert_eq!(needed.header("etag"), tag);
    for buyer in 0..4 {
        server.order(product, &format!("u{buyer}"), 1).await.expect(201);
    }
    let stale = put_if(&server, &path, &tag, form.clone()).await;
    assert_problem(&stale, 412, "precondition_failed");
    assert_eq!(server.get(&path).await.expect(200).body["currentStock"], json!(6));
    put_if(&server, &path, &tag, json!({"price": "2.00"})).await.expect(200);
    assert_problem(&put_if(&server, &path, &tag, json!({"price": "3.00"})).await, 412, "precondition_failed");
    let fresh = server.put(&path, form.clone()).await.header("etag").to_owned();
    let saved = put_if(&server, &path, &format!("\"other\", {fresh}"), form.clone()).await.expect(200);
    assert_eq!((&saved.body["currentStock"], &saved.body["name"]), (&json!(10), &json!("Lamp")));
    put_if(&server, &path, "*", form).await.expect(200);
    server.put(&path, json!({"currentStock": 3})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restocking_and_deleting_honour_the_tag_too() {
    let server = Server::start().await;
    let product = server.create(10).await;
    let path = format!("/inventory/{product}");
    let restock = format!("{path}/restock");
    let tag = tag_of(&server, &path).await;
    let once = send(&server, Method::POST, &restock, ("if-match", &tag), &json!({"quantity": 5})).await.expect(200);
    let again = send(&server, Method::POST, &restock, ("if-match", &tag), &json!({"quantity": 5})).await;
    assert_problem(&again, 412, "precondition_failed");
    assert_eq!(again.header("etag"), once.header("etag"));
    for wrong in [tag.as_str(), "\"\"", "gibberish", &format!("W/{}", once.header("etag"))] {
        let refused = send(&server, Method::DELETE, &path, ("if-match", wrong), &Value::Null).await;
        assert_problem(&refused, 412, "precondition_failed");
    }
    send(&server, Method::DELETE, &path, ("if-match", once.header("etag")), &Value::Null).await.expect(204);
    let gone = send(&server, Method::DELETE, &path, ("if-match", &tag), &Value::Null).await;
    assert_problem(&gone, 404, "product_not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_changes_of_the_same_state_one_is_made() {
    let server = Server::start().await;
    let product = server.create(1_000).await;
    let path = format!("/inventory/{product}");
    for _ in 0..10 {
        let tag = tag_of(&server, &path).await;
        let before = server.get(&path).await.expect(200).body["adjustedStock"].as_i64().unwrap();
        let rivals: Vec<_> = (0..12)
            .map(|rival| {
                let (client, path, tag) = (server.client(), path.clone(), tag.clone());
                tokio::spawn(async move {
                    let body = json!({"currentStock": 500 + rival, "perUserLimit": 1 + rival});
                    put_if(&client, &path, &tag, body).await
                })
            })
            .collect();
        let mut made = Vec::new();
        for rival in rivals {
            let answer = rival.await.unwrap();
            match answer.status {
                200 => made.push(answer.body),
                _ => assert_problem(&answer, 412, "precondition_failed"),
            }
        }
        assert_eq!(made.len(), 1, "adjusted by {before} before");
        let now = server.get(&path).await.expect(200).body;
        assert_eq!((&now["currentStock"], &now["perUserLimit"]), (&made[0]["currentStock"], &made[0]["perUserLimit"]));
    }
}
