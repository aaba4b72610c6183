//! The page Products: forms that work without a script, and what they do not overwrite.

use std::collections::BTreeMap;
use std::fmt::Write;

use hyper::Method;
use serde_json::json;

use crate::harness::{Answer, Client, Server, request};

const FORM: &str = "application/x-www-form-urlencoded";

/// The page as text, its status aside.
fn text(answer: &Answer) -> &str {
    answer.body.as_str().unwrap_or_else(|| panic!("no page: {answer}"))
}

async fn page(client: &Client, path: &str) -> String {
    let answer = client.get_root(path).await.expect(200);
    assert!(answer.header("content-type").starts_with("text/html"), "{}", answer.header("content-type"));
    text(&answer).to_owned()
}

async fn send(client: &Client, path: &str, fields: &BTreeMap<String, String>) -> Answer {
    let mut body = String::new();
    for (name, value) in fields {
        let _ = write!(body, "{}{name}=", if body.is_empty() { "" } else { "&" });
        for byte in value.bytes() {
            let _ = write!(body, "%{byte:02X}");
        }
    }
    client.try_send(request(Method::POST, path, Some(FORM), body.as_bytes())).await.unwrap()
}

/// The fields of the form on a page that is posted to `action`, with some of them set.
fn form(page: &str, action: &str, set: &[(&str, &str)]) -> BTreeMap<String, String> {
    let start = page.find(&format!("action=\"{action}\"")).unwrap_or_else(|| panic!("no form for {action}: {page}"));
    let form = &page[start..start + page[start..].find("</form>").unwrap()];
    let mut fields = BTreeMap::new();
    for input in form.split("<input ").skip(1) {
        let input = &input[..input.find('>').unwrap()];
        let of = |name: &str| {
            let start = input.find(&format!("{name}=\""))? + name.len() + 2;
            Some(unescaped(&input[start..start + input[start..].find('"')?]))
        };
        let at_word = format!(" {input}");
        let Some(name) = at_word.contains(" name=").then(|| of("name")).flatten() else { continue };
        if !input.contains("checkbox") {
            fields
                .insert(name, at_word.find(" value=\"").map_or_else(String::new, |_| of("value").unwrap_or_default()));
        }
    }
    fields.extend(set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    fields
}

fn unescaped(text: &str) -> String {
    text.replace("&#34;", "\"").replace("&#39;", "'").replace("&#60;", "<").replace("&#62;", ">").replace("&#38;", "&")
}

/// The number that the list shows in a row.
fn left(page: &str, product: u64) -> u64 {
    let row = &page[page.find(&format!("data-product=\"{product}\"")).expect("the row")..];
    let value = &row[row.find("data-left value=\"").expect("units") + 17..];
    value[..value.find('"').unwrap()].parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_text_and_numbers_are_those_of_the_api() {
    let server = Server::start().await;
    let name = "<script>alert(1)</script> \"&' مكبّر";
    let product = server.create_with(json!({"name": name, "initialStock": 1_234})).await;
    server.order(product, "ada", 4).await.expect(201);
    for path in ["/products".to_owned(), format!("/products/{product}"), "/products?q=%3Cscript".to_owned()] {
        let page = page(&server, &path).await;
        assert!(!page.contains("<script>alert"), "{path}");
        assert!(page.contains("alert(1)"), "{path}");
        let stock = server.get(&format!("/inventory/{product}")).await.expect(200).body["currentStock"].as_u64();
        assert_eq!(Some(left(&page, product)), stock, "{path}");
    }
    assert!(page(&server, "/products?q=no+such").await.contains("No product found."));
    server.get_root("/products/999").await.expect(404);
    server.get_root("/products/x").await.expect(404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_saves_what_was_changed_and_a_stale_one_is_shown_what_changed_elsewhere() {
    let server = Server::start().await;
    let product = server.create_with(json!({"price": "1299.99", "flashSaleActive": false, "initialStock": 10})).await;
    let (path, api) = (format!("/products/{product}"), format!("/inventory/{product}"));
    let read = page(&server, &path).await;
    let saved = send(&server, &path, &form(&read, &path, &[("limit", "2"), ("units", "+5 000")])).await.expect(303);
    assert_eq!(saved.header("location"), path);
    let now = server.get(&api).await.expect(200).body;
    assert_eq!(
        (&now["perUserLimit"], &now["currentStock"], &now["price"]),
        (&json!(2), &json!(5_010), &json!("1299.99"))
    );

    let twice = send(&server, &path, &form(&read, &path, &[("limit", "2"), ("units", "+5 000")])).await.expect(200);
    assert!(text(&twice).contains("perhaps by this form pressed twice"), "{twice}");
    assert_eq!(server.get(&api).await.expect(200).body["currentStock"], json!(5_010), "units are added once");

    let read = page(&server, &path).await;
    server.put(&api, json!({"price": "1249.99"})).await.expect(200);
    let stale = send(&server, &path, &form(&read, &path, &[("limit", "3")])).await.expect(200);
    let shown = text(&stale);
    assert!(shown.contains("The price was changed elsewhere at") && shown.contains("Put back"), "{shown}");
    assert_eq!(server.get(&api).await.expect(200).body["perUserLimit"], json!(2), "nothing was saved");
    let put = send(&server, &path, &form(shown, &path, &[("put", "price")])).await.expect(200);
    let saved = send(&server, &path, &form(text(&put), &path, &[])).await.expect(303);
    assert_eq!(saved.header("location"), path);
    let now = server.get(&api).await.expect(200).body;
    assert_eq!((&now["perUserLimit"], &now["price"]), (&json!(3), &json!("1299.99")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_hurts_a_running_sale_is_asked_first_and_what_is_wrong_is_said() {
    let server = Server::start().await;
    let product = server.create(10).await;
    let (path, api) = (format!("/products/{product}"), format!("/inventory/{product}"));
    let read = page(&server, &path).await;
    let asked = send(&server, &path, &form(&read, &path, &[("price", "1.00")])).await.expect(200);
    assert!(text(&asked).contains("Save 1 change") && text(&asked).contains("data-ask"), "{asked}");
    assert_ne!(server.get(&api).await.expect(200).body["price"], json!("1.00"));
    send(&server, &path, &form(text(&asked), &path, &[])).await.expect(303);
    assert_eq!(server.get(&api).await.expect(200).body["price"], json!("1.00"));

    let read = page(&server, &path).await;
    let units = form(&read, &path, &[("units", "-5000"), ("sure", "yes")]);
    let refused = send(&server, &path, &units).await.expect(200);
    assert!(text(&refused).contains("5\u{202f}000 units is not possible: 10 can be bought. Nothing was changed."));
    assert!(text(&refused).contains("Take away 10"));
    let wrong = send(&server, &path, &form(&read, &path, &[("limit", "many")])).await.expect(200);
    assert!(text(&wrong).contains("The limit must be a whole number"), "{wrong}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_is_stopped_in_one_click_and_started_again_and_a_product_is_deleted_after_a_question() {
    let server = Server::start().await;
    let product = server.create(10).await;
    let (path, api) = (format!("/products/{product}"), format!("/inventory/{product}"));
    let act = |name: &str| format!("{path}/{name}");
    let active = async || server.get(&api).await.expect(200).body["flashSaleActive"].clone();
    let read = page(&server, &path).await;
    send(&server, &act("stop"), &form(&read, &act("stop"), &[])).await.expect(303);
    assert_eq!(active().await, json!(false));
    send(&server, &act("start"), &form(&read, &act("start"), &[])).await.expect(303);
    assert_eq!(active().await, json!(true), "the way back is one click");
    let asked = send(&server, &act("delete"), &form(&read, &act("delete"), &[])).await.expect(200);
    server.get(&api).await.expect(200);
    send(&server, &act("delete"), &form(text(&asked), &act("delete"), &[])).await.expect(303);
    server.get(&api).await.expect(404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_that_is_sent_twice_creates_one_product_and_one_from_elsewhere_none() {
    let server = Server::start().await;
    let read = page(&server, "/products/new").await;
    let fields = form(&read, "/products/new", &[("name", "Lamp"), ("price", "12.5"), ("initial", "1 000")]);
    let (one, two) = tokio::join!(send(&server, "/products/new", &fields), send(&server, "/products/new", &fields));
    assert_eq!(one.expect(303).header("location"), two.expect(303).header("location"));
    let products = server.get("/inventory").await.expect(200);
    assert_eq!(products.array().len(), 1, "{products}");
    assert_eq!(products.array()[0]["price"], json!("12.50"));
    let wrong = send(&server, "/products/new", &form(&read, "/products/new", &[("name", "Lamp")])).await.expect(200);
    assert!(text(&wrong).contains("A product needs a price."), "{wrong}");
    let mut foreign = request(Method::POST, "/products/1/stop", Some(FORM), b"");
    foreign.headers_mut().insert("origin", "http://evil.example".parse().unwrap());
    assert_eq!(server.try_send(foreign).await.unwrap().status, 403);
}
