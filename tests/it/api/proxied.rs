//! A server behind a proxy that shows it below a path.

mod browser;

use futures_util::StreamExt;
use hyper::Method;
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::handshake::client::Request;

use crate::harness::{Client, Endpoint, Launch, Proxy, Reply, Server, Way, assert_problem, order_id, within};
use browser::{Browser, PREFIX, SHOP};

const TOKEN: &str = "correct-horse-battery-staple";
const URL: &str = "https://shop.example/flash";

/// A server behind a proxy, with a browser that knows the proxy only.
async fn shown(launch: Launch, way: Way) -> (Server, Proxy, Browser) {
    let server = launch.env("PUBLIC_URL", URL).start().await;
    let proxy = Proxy::start(server.address(), PREFIX, way).await;
    let browser = Browser::new(proxy.address());
    (server, proxy, browser)
}

fn locked() -> Launch {
    Server::with().env("ADMIN_TOKEN", TOKEN)
}

async fn log_in(browser: &mut Browser) {
    browser.submit("/flash/login", &format!("token={TOKEN}&next=/orders")).await.expect(303);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_link_form_and_file_is_below_the_prefix_and_there() {
    for (way, is_locked) in [(Way::Strips, false), (Way::Keeps, true)] {
        let endpoint = Endpoint::start().await;
        endpoint.script([], Reply::Status(400));
        let launch = if is_locked { locked() } else { Server::with() };
        let launch = launch.env("FULFILLMENT_URL", &endpoint.url()).env("FULFILLMENT_ALLOW_PRIVATE", "true");
        let (server, _proxy, mut browser) = shown(launch, way).await;
        let product = server.create(60).await;
        server.create_with(json!({"holdSeconds": 600})).await;
        let dead = order_id(&server.order(product, "ada", 1).await.expect(201));
        server.order_becomes(dead, "failed").await;
        endpoint.script([], Reply::Status(200));
        for user in 0..55 {
            server.order(product, &format!("user-{user}"), 1).await.expect(201);
        }
        if is_locked {
            log_in(&mut browser).await;
        }
        let seen = browser.crawl(&["/flash/", "/flash/?wall", "/flash/?view=figures", "/flash/docs/"]).await;
        for part in [
            "/flash/orders/",
            "/flash/orders?cursor=",
            "/flash/orders/export.csv",
            "/flash/products/1",
            "/flash/products/new",
            "/flash/queue?group=",
            "/flash/queue/act",
            "/flash/benchmark/report.html",
            "/flash/assets/",
            "/flash/acts/pause",
            "/flash/help",
            "/flash/docs/swagger-ui.css",
            "/flash/openapi.json",
        ] {
            assert!(seen.iter().any(|url| url.starts_with(part)), "{part} was not seen: {seen:#?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logging_in_acting_and_logging_out_stay_below_the_prefix() {
    for way in [Way::Strips, Way::Keeps] {
        let (server, _proxy, mut browser) = shown(locked(), way).await;
        let sent_away = browser.open("/flash/orders?user=ada").await.expect(303);
        assert_eq!(sent_away.header("location"), "/flash/login?next=/orders%3Fuser%3Dada");
        let page = browser.open(sent_away.header("location")).await.expect(200);
        assert!(page.body.as_str().unwrap().contains("<h1>Log in to shop.example</h1>"), "{page}");
        let form = format!("token={TOKEN}&next=/orders%3Fuser%3Dada");
        assert_eq!(
            browser.submit("/flash/login", &form).await.expect(303).header("location"),
            "/flash/orders?user=ada"
        );
        let acted = browser.submit("/flash/acts/pause", "back=/queue").await.expect(303);
        assert_eq!(acted.header("location"), "/flash/queue");
        assert_eq!(server.get("/queue").await.body["paused"], true);
        let page = browser.open("/flash/queue").await.expect(200);
        assert!(page.body.as_str().unwrap().contains("Queue paused at "), "the notice's cookie came back: {page}");
        let set = browser.submit("/flash/display", "theme=dark&back=/").await.expect(303);
        assert_eq!(set.header("location"), "/flash/");
        for origin in ["https://evil.example", "https://shop.example:8443", "http://shop.example"] {
            let answer = browser.send(Method::POST, "/flash/acts/resume", Some("sure=yes"), origin).await;
            assert_eq!(answer.status, 403, "{origin}: {answer}");
        }
        assert_eq!(browser.submit("/flash/logout", "").await.expect(303).header("location"), "/flash/login");
        assert!(!browser.cookie().contains("flashsale_session"), "{}", browser.cookie());
        browser.open("/flash/orders").await.expect(303);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_names_what_it_made_and_its_next_page_below_the_prefix() {
    let (server, proxy, _) = shown(locked(), Way::Strips).await;
    let api = Client::new(proxy.address()).with_token(Some(TOKEN));
    let body = json!({"name": "Lamp", "price": "10.00", "initialStock": 3, "flashSaleActive": true});
    let made = api.send(Method::POST, "/flash/api/v1/inventory", Some(&body)).await.expect(201);
    let product = &made.body["id"];
    assert_eq!(made.header("location"), format!("/flash/api/v1/inventory/{product}"));
    let order = json!({"productId": product, "userId": "ada", "quantity": 1});
    for _ in 0..3 {
        let placed = api.send(Method::POST, "/flash/api/v1/orders", Some(&order)).await.expect(201);
        assert_eq!(placed.header("location"), format!("/flash/api/v1/orders/{}", order_id(&placed)));
        api.get_root(placed.header("location")).await.expect(200);
    }
    let mut next = Some("/flash/api/v1/orders?limit=1".to_owned());
    for page in 0..3 {
        let answer = api.get_root(&next.expect("a next page")).await.expect(200);
        next = answer.next_page();
        assert!(next.iter().all(|next| next.starts_with("/flash/api/v1/orders?")), "{page}: {next:?}");
    }
    // On all ways that a problem takes.
    for (body, code, status) in [(order, "sold_out", 409), (json!({}), "invalid_request", 400)] {
        let answer = api.send(Method::POST, "/flash/api/v1/orders", Some(&body)).await;
        assert_eq!(answer.status, status, "{answer}");
        assert_eq!((&answer.body["code"], &answer.body["instance"]), (&json!(code), &json!("/flash/api/v1/orders")));
    }
    let answer = api.get_root("/flash/nowhere").await;
    assert_eq!((answer.status, &answer.body["instance"]), (404, &json!("/flash/nowhere")));
    let document = api.get_root("/flash/openapi.json").await.expect(200).body;
    assert_eq!(document["servers"], json!([{"url": URL}, {"url": "/flash"}]));
    let ready = api.get_root("/flash/api/v1/monitoring/readiness").await.expect(200).body;
    let links: Vec<_> = ready["checks"].as_array().unwrap().iter().filter_map(|check| check["link"].as_str()).collect();
    assert!(!links.is_empty() && links.iter().all(|link| link.starts_with("/flash/")), "{ready}");
    assert_eq!(api.get_root("/flash/docs/").await.expect(307).header("location"), "/flash/docs");
    // Beside the proxy, by either path.
    for path in ["/api/v1/orders", "/flash/api/v1/orders"] {
        server.get_root(path).await.expect(200);
    }
    server.get_root("/flashy/api/v1/orders").await.expect(404);
}

/// A WebSocket to the feed as the proxy shows it; the status if it is rejected.
async fn feed(proxy: &Proxy, headers: &[(&str, &str)]) -> Result<String, u16> {
    let request = Request::builder()
        .uri(format!("ws://{}/flash/monitoring", proxy.address()))
        .header("host", "shop.example")
        .header("upgrade", "websocket")
        .header("connection", "Upgrade")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let stream = TcpStream::connect(proxy.address()).await.unwrap();
    match within("a WebSocket", client_async(request.body(()).unwrap(), stream)).await {
        Ok((mut socket, _)) => {
            Ok(within("a frame", socket.next()).await.unwrap().unwrap().into_text().unwrap().to_string())
        }
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_is_open_to_pages_of_the_public_origin_only() {
    for way in [Way::Strips, Way::Keeps] {
        let (_server, proxy, mut browser) = shown(locked(), way).await;
        log_in(&mut browser).await;
        let cookie = browser.cookie();
        let frame = feed(&proxy, &[("origin", SHOP), ("cookie", &cookie)]).await.unwrap();
        assert!(frame.contains("\"event\""), "{frame}");
        assert_eq!(feed(&proxy, &[("origin", SHOP)]).await, Err(401));
        for origin in ["https://evil.example", "https://shop.example:8443", "null"] {
            assert_eq!(feed(&proxy, &[("origin", origin), ("cookie", &cookie)]).await, Err(403), "{origin}");
        }
        let (_server, proxy, _) = shown(Server::with(), way).await;
        assert!(feed(&proxy, &[("origin", SHOP)]).await.is_ok());
        assert_eq!(feed(&proxy, &[("origin", "https://evil.example")]).await, Err(403));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_the_public_host_is_let_in_and_no_other_name() {
    let (server, _proxy, mut browser) = shown(Server::with(), Way::Keeps).await;
    browser.open("/flash/").await.expect(200);
    assert_eq!(browser.submit("/flash/acts/pause", "back=/").await.expect(303).header("location"), "/flash/");
    for host in ["evil.example", "shop.example.evil.example", "shop.example:8443", "a.shop.example"] {
        let mut request = crate::harness::request(Method::GET, "/api/v1/orders", None, b"");
        request.headers_mut().insert("host", host.parse().unwrap());
        assert_problem(&server.client().try_send(request).await.unwrap(), 403, "forbidden");
    }
    server.writes("PUBLIC_URL is set and ADMIN_TOKEN is not").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prefix_that_is_also_a_path_of_the_server_changes_no_path_of_its_own() {
    let server = Server::with().env("PUBLIC_URL", "https://shop.example/api").start().await;
    let proxy = Proxy::start(server.address(), "/api", Way::Strips).await;
    let api = Client::new(proxy.address());
    for path in ["/api/api/v1/inventory", "/api/livez", "/api/orders", "/api/docs"] {
        api.get_root(path).await.expect(200);
    }
    for path in ["/api/v1/inventory", "/api/api/v1/inventory", "/api/orders"] {
        server.get_root(path).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_proxy_can_show_ends_the_start_with_a_sentence() {
    for (wrong, why) in [
        ("shop.example/flash", "must begin with http:// or https://"),
        ("/flash", "must begin with http:// or https://"),
        ("https://shop.example/flash?x=1", "must have no query"),
        ("https://me:hunter2@shop.example/", "must have no user"),
        ("https://shop.example/a/../b", "between single slashes"),
        ("https://shop.example/%66lash", "between single slashes"),
    ] {
        let exited = Server::with().env("PUBLIC_URL", wrong).run().await;
        assert!(
            exited.code == Some(1) && exited.stderr.contains("PUBLIC_URL") && exited.stderr.contains(why),
            "{exited:?}"
        );
        assert!(!exited.stderr.contains("hunter2"), "{exited:?}");
    }
    Server::with().env("PUBLIC_URL", "").start().await.get("/inventory").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_take_the_public_address() {
    let (server, proxy, _) = shown(locked(), Way::Strips).await;
    server.create_with(json!({"name": "Kettle"})).await;
    for _ in 0..3 {
        server.order(1, "ada", 1).await.expect(201);
    }
    let address = format!("http://{}/flash/", proxy.address());
    let listed = server.launch.command(&["products", "list", "--server", &address]).await;
    assert!(listed.code == Some(0) && listed.stdout.contains("Kettle"), "{listed:?}");
    let status = server.launch.command(&["status", "--server", &address]).await;
    assert_eq!(status.code, Some(0), "{status:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forwarded_clients_of_an_untrusted_peer_are_counted_and_said_once() {
    const WARNING: &str = "X-Forwarded-For is ignored";
    for (trusted, expected) in [(None, 3), (Some("10.0.0.0/8"), 3), (Some("127.0.0.1"), 0)] {
        let launch = trusted.into_iter().fold(Server::with(), |it, trusted| it.env("TRUSTED_PROXIES", trusted));
        let server = launch.start().await;
        let ignored = async || {
            let text = server.get_root("/metrics").await.expect(200).body.as_str().unwrap().to_owned();
            let line = text.lines().find(|line| line.starts_with("flash_sale_forwarded_ignored_total "));
            line.expect("from the start").rsplit(' ').next().unwrap().parse::<u64>().unwrap()
        };
        assert_eq!(ignored().await, 0);
        let proxy = Proxy::start(server.address(), PREFIX, Way::Strips).await;
        for path in ["/flash/livez", "/flash/api/v1/inventory", "/flash/nowhere"] {
            Client::new(proxy.address()).get_root(path).await;
        }
        assert_eq!(ignored().await, expected, "{trusted:?}");
        if expected > 0 {
            server.writes(WARNING).await;
        }
        let output = server.output();
        assert_eq!(output.matches(WARNING).count() as u64, expected.min(1), "{output}");
        assert!(expected == 0 || output.contains("peer=127.0.0.1"), "{output}");
    }
}
