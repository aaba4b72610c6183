use super::*;
use crate::domain::clock::Clock;
use crate::outbound::lookup::LookupError;
use crate::outbound::tests::hanging;
use hyper::header::HeaderName;
use std::sync::Mutex;
use tokio::net::{TcpListener, TcpStream};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const EVENT: &str = r#"{"type":"order.placed"}"#;

/// What an endpoint does after its answer.
#[derive(Clone, Copy)]
enum Then {
    Listen,
    Close,
    Hang,
    Repeat,
    /// Answers one request and hangs up at the next one on the same connection.
    CloseAtNext,
}

/// A service on a free port that answers everything alike.
struct Endpoint {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<usize>>,
}

impl Endpoint {
    async fn answering(answer: impl Into<String>, then: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (requests, connections) = (Arc::default(), Arc::default());
        let endpoint = Self { port, requests: Arc::clone(&requests), connections: Arc::clone(&connections) };
        let answer: Arc<str> = answer.into().into();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *connections.lock().unwrap() += 1;
                tokio::spawn(serve(stream, Arc::clone(&answer), then, Arc::clone(&requests)));
            }
        });
        endpoint
    }

    fn webhook(&self, url: &str, timeout: Duration) -> Webhook {
        let url = url.replace("PORT", &self.port.to_string());
        let config = WebhookConfig {
            to: &Receiver::EXAMPLE,
            url,
            secret: Some(SECRET.to_owned()),
            timeout,
            allow_private: true,
        };
        Webhook::new(config).unwrap()
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(stream: TcpStream, answer: Arc<str>, then: Then, requests: Arc<Mutex<Vec<String>>>) {
    for served in 0.. {
        let mut request = String::new();
        while !request.ends_with(EVENT) {
            let mut chunk = [0; 4096];
            stream.readable().await.unwrap();
            match stream.try_read(&mut chunk) {
                Ok(0) => return,
                Ok(n) => request.push_str(&String::from_utf8_lossy(&chunk[..n])),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
        requests.lock().unwrap().push(request);
        if matches!(then, Then::CloseAtNext) && served > 0 {
            return;
        }
        send(&stream, &answer).await;
        match then {
            Then::Listen | Then::CloseAtNext => {}
            Then::Close => return,
            Then::Hang => std::future::pending().await,
            Then::Repeat => while send(&stream, "still more ").await {},
        }
    }
}

/// Whether the other side still took it all.
async fn send(stream: &TcpStream, text: &str) -> bool {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match stream.writable().await.and_then(|()| stream.try_write(rest)) {
            Ok(n) => rest = &rest[n..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return false,
        }
    }
    true
}

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nlocation: /elsewhere\r\n\r\n{body}", body.len())
}

async fn deliver(webhook: &Webhook) -> Verdict {
    webhook.post("job_1", Clock::system().now(), Bytes::from_static(EVENT.as_bytes())).await
}

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);
const URL: &str = "http://127.0.0.1:PORT/orders?key=s3cret";

#[tokio::test]
async fn the_status_decides_and_the_error_quotes_the_answer() {
    let said = |text: &str| format!("the fulfilment service responded with {text}");
    for (status, body, expected) in [
        ("200 OK", "", Verdict::Accepted),
        ("204 No Content", "", Verdict::Accepted),
        ("302 Found", "", Verdict::retry(said("302 Found (redirects are not followed)"))),
        (
            "400 Bad Request",
            "no\u{1b}[2J\r\n\tsuch  item",
            Verdict::Rejected(said("400 Bad Request: no [2J such item")),
        ),
        ("404 Not Found", "", Verdict::retry(said("404 Not Found"))),
        ("409 Conflict", "POST /orders?key=s3cret", Verdict::Rejected(said("409 Conflict: POST /orders?***"))),
        ("401 Unauthorized", "", Verdict::retry(said("401 Unauthorized"))),
        ("410 Gone", "", Verdict::Rejected(said("410 Gone"))),
        ("413 Content Too Large", "", Verdict::Rejected(said("413 Payload Too Large"))),
        ("415 Unsupported Media Type", "", Verdict::Rejected(said("415 Unsupported Media Type"))),
        ("422 Unprocessable Content", "", Verdict::Rejected(said("422 Unprocessable Entity"))),
        ("408 Request Timeout", "", Verdict::retry(said("408 Request Timeout"))),
        ("425 Too Early", "", Verdict::retry(said("425 Too Early"))),
        ("429 Too Many Requests", "", Verdict::retry(said("429 Too Many Requests"))),
        (
            "500 Oops",
            &"é".repeat(300),
            Verdict::retry(said(&format!("500 Internal Server Error: {}", "é".repeat(200)))),
        ),
        ("799 Odd", "", Verdict::retry(said("799"))),
    ] {
        let endpoint = Endpoint::answering(answer(status, body), Then::Listen).await;
        assert_eq!(deliver(&endpoint.webhook(URL, LONG)).await, expected);
        assert_eq!(endpoint.requests().len(), 1, "{status}: one request and no more");
    }
}

#[tokio::test]
async fn exchanges_that_do_not_come_to_an_end_are_retried() {
    let unusable = "the fulfilment service gave no usable response";
    let huge = format!("HTTP/1.1 200 OK\r\nx-filler: {}\r\n\r\n", "x".repeat(2 * MAX_RESPONSE_HEAD_BYTES));
    for (answer, then, timeout, error) in [
        ("", Then::Hang, SHORT, "the fulfilment service gave no response within 200ms"),
        ("", Then::Close, LONG, unusable),
        ("SSH-2.0-OpenSSH_9.7\r\n", Then::Hang, LONG, unusable),
        (&huge, Then::Hang, LONG, unusable),
    ] {
        let endpoint = Endpoint::answering(answer, then).await;
        match deliver(&endpoint.webhook(URL, timeout)).await {
            Verdict::Retry { error: text, .. } => assert!(text.starts_with(error) && text.len() < 250, "{text}"),
            verdict => panic!("{verdict:?} for {answer:.80}"),
        }
    }
}

#[tokio::test]
async fn the_status_decides_whatever_becomes_of_the_body() {
    let error = |status: &str, body: &str| format!("the fulfilment service responded with {status}: {body}");
    for (status, expected) in [
        ("200 OK", Verdict::Accepted),
        ("400 Bad Request", Verdict::Rejected(error("400 Bad Request", "only this"))),
        ("503 Busy", Verdict::retry(error("503 Service Unavailable", "only this"))),
    ] {
        let broken = format!("HTTP/1.1 {status}\r\ncontent-length: 100\r\n\r\nonly this");
        let chunked = format!("HTTP/1.1 {status}\r\ntransfer-encoding: chunked\r\n\r\n9\r\nonly this\r\nno length");
        for (answer, then) in [(&broken, Then::Hang), (&broken, Then::Close), (&chunked, Then::Hang)] {
            for timeout in [LONG, SHORT] {
                let endpoint = Endpoint::answering(answer.as_str(), then).await;
                assert_eq!(deliver(&endpoint.webhook(URL, timeout)).await, expected, "{answer}");
                assert_eq!(endpoint.requests().len(), 1, "{answer}");
            }
        }
        let endpoint = Endpoint::answering(format!("HTTP/1.1 {status}\r\n\r\n"), Then::Repeat).await;
        let verdict = deliver(&endpoint.webhook(URL, LONG)).await;
        assert_eq!(std::mem::discriminant(&verdict), std::mem::discriminant(&expected), "{verdict:?}");
    }
}

#[tokio::test]
async fn a_kept_connection_that_ends_without_a_byte_is_no_attempt() {
    let endpoint = Endpoint::answering(answer("200 OK", ""), Then::CloseAtNext).await;
    let webhook = endpoint.webhook(URL, LONG);
    for _ in 0..3 {
        assert_eq!(deliver(&webhook).await, Verdict::Accepted);
    }
    let requests = endpoint.requests();
    assert_eq!((requests.len(), *endpoint.connections.lock().unwrap()), (5, 3));
    assert!(requests.iter().all(|request| request.contains("webhook-id: job_1\r\n")), "{requests:?}");
}

#[tokio::test]
async fn a_kept_connection_that_ends_within_the_head_is_an_attempt() {
    let endpoint = Endpoint::answering(answer("200 OK", "") + "HTTP/1.1 2", Then::CloseAtNext).await;
    let webhook = endpoint.webhook(URL, LONG);
    assert_eq!(deliver(&webhook).await, Verdict::Accepted);
    // The bytes after the response end the connection before it is used again.
    assert_eq!(deliver(&webhook).await, Verdict::Accepted);
    assert_eq!((endpoint.requests().len(), *endpoint.connections.lock().unwrap()), (2, 2));
}

#[tokio::test]
async fn every_attempt_carries_the_same_id_and_a_signature_over_one_connection() {
    let endpoint = Endpoint::answering(answer("503 Busy", "later"), Then::Listen).await;
    let webhook = endpoint.webhook(URL, LONG);
    for _ in 0..3 {
        assert_ne!(deliver(&webhook).await, Verdict::Accepted);
    }
    assert_eq!((endpoint.requests().len(), *endpoint.connections.lock().unwrap()), (3, 1));
    for request in endpoint.requests() {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let mut lines = head.split("\r\n");
        assert_eq!(lines.next(), Some("POST /orders?key=s3cret HTTP/1.1"));
        let headers: HeaderMap = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect();
        assert_eq!(headers[HEADER_WEBHOOK_ID], "job_1");
        assert_eq!(headers[CONTENT_TYPE], "application/json");
        assert_eq!(headers[USER_AGENT], concat!("flashsale/", env!("CARGO_PKG_VERSION")));
        standardwebhooks::Webhook::new(SECRET).unwrap().verify(body.as_bytes(), &headers).unwrap();
    }
}

#[tokio::test]
async fn an_echoed_signature_is_not_repeated() {
    let webhook = Endpoint::answering("", Then::Hang).await.webhook(URL, LONG);
    let signature = HeaderValue::from_static("v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
    let quoted = webhook.quote(b"bad v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw= for s3cret", Some(&signature));
    assert_eq!(quoted, "bad v1,*** for ***");
}

#[tokio::test]
async fn without_a_secret_nothing_is_signed() {
    let endpoint = Endpoint::answering(answer("200 OK", ""), Then::Listen).await;
    let webhook = Webhook { signer: None, ..endpoint.webhook(URL, LONG) };
    assert_eq!(deliver(&webhook).await, Verdict::Accepted);
    assert!(!endpoint.requests()[0].contains("signature"));
}

#[tokio::test]
async fn nothing_is_sent_in_the_clear_to_an_https_url() {
    let endpoint = Endpoint::answering(answer("200 OK", ""), Then::Close).await;
    let verdict = deliver(&endpoint.webhook("https://localhost:PORT/", SHORT)).await;
    assert!(matches!(verdict, Verdict::Retry { .. }), "{verdict:?}");
    assert!(endpoint.requests().is_empty());
}

fn with_lookup(
    url: &str,
    timeout: Duration,
    allow_private: bool,
    look_up: impl Fn(&str) -> Resolved + Send + Sync + 'static,
) -> Webhook {
    let config = WebhookConfig { to: &Receiver::EXAMPLE, url: url.to_owned(), secret: None, timeout, allow_private };
    Webhook::with_lookup(config, look_up).unwrap()
}

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_not_called() {
    let endpoint = Endpoint::answering(answer("200 OK", ""), Then::Listen).await;
    let url = format!("http://shop.example:{}/", endpoint.port);
    for addresses in [vec!["127.0.0.1:0"], vec!["[::ffff:127.0.0.1]:0"], vec!["127.0.0.1:0", "10.0.0.1:0"]] {
        let found: Vec<SocketAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let named = |allow_private| {
            let found = found.clone();
            with_lookup(&url, LONG, allow_private, move |_| Ok(found.clone()))
        };
        match deliver(&named(false)).await {
            Verdict::Retry { error, .. } => assert!(error.contains("--fulfillment-allow-private"), "{error}"),
            verdict => panic!("{verdict:?}"),
        }
        assert!(endpoint.requests().is_empty());
    }
    let loopback: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let webhook = with_lookup(&url, LONG, true, move |_| Ok(vec![loopback]));
    assert_eq!(deliver(&webhook).await, Verdict::Accepted);
}

#[tokio::test]
async fn an_unknown_name_is_an_attempt_and_what_this_machine_lacks_is_none() {
    let url = "http://shop.example/";
    let unknown = with_lookup(url, LONG, false, |_| Err(LookupError::Failed("unknown".to_owned())));
    let error = "the fulfilment service cannot be reached: unknown".to_owned();
    assert_eq!(deliver(&unknown).await, Verdict::retry(error));
    let nowhere = with_lookup(url, LONG, false, |_| Ok(Vec::new()));
    assert!(matches!(deliver(&nowhere).await, Verdict::Retry { .. }));
    let short = with_lookup(url, LONG, false, |_| Err(LookupError::Local("no memory".to_owned())));
    assert_eq!(deliver(&short).await, Verdict::NotMade("no memory".to_owned()));
}

#[test]
fn look_ups_that_hang_hold_up_no_other_blocking_work_and_no_stop() {
    let (release, hangs) = hanging::look_ups();
    let webhook = Arc::new(with_lookup("http://shop.example/", SHORT, false, hangs));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let attempts: Vec<_> = (0..64)
            .map(|_| {
                let webhook = Arc::clone(&webhook);
                tokio::spawn(async move { deliver(&webhook).await })
            })
            .collect();
        for attempt in attempts {
            // The one thread for blocking work is free all the time.
            tokio::time::timeout(LONG, tokio::task::spawn_blocking(|| ())).await.unwrap().unwrap();
            match attempt.await.unwrap() {
                Verdict::Retry { error, .. } => assert!(error.ends_with(" within 200ms"), "{error}"),
                verdict => panic!("{verdict:?}"),
            }
        }
    });
    hanging::end(runtime, release, LONG);
}

#[tokio::test]
async fn a_stop_ends_what_has_sent_nothing_and_waits_for_what_has() {
    let (_release, hangs) = hanging::look_ups();
    let endpoint = Endpoint::answering("", Then::Hang).await;
    // One waits for its look-up, the other one for a TLS handshake.
    let webhooks =
        [with_lookup("http://shop.example/", LONG, false, hangs), endpoint.webhook("https://127.0.0.1:PORT/", LONG)];
    for webhook in webhooks {
        let (verdict, ()) = tokio::join!(deliver(&webhook), async {
            tokio::time::sleep(SHORT).await;
            webhook.stop();
        });
        assert_eq!(verdict, Verdict::NotMade("the server is stopping".to_owned()));
    }
    let webhook = endpoint.webhook(URL, 2 * SHORT);
    let (verdict, ()) = tokio::join!(deliver(&webhook), async {
        while endpoint.requests().is_empty() {
            tokio::task::yield_now().await;
        }
        webhook.stop();
    });
    assert!(matches!(verdict, Verdict::Retry { .. }), "{verdict:?}");
}

#[test]
fn what_cannot_be_used_is_refused_at_the_start_without_repeating_it() {
    for (url, secret, expected) in [
        ("", None, "must be one such as"),
        ("/orders", None, "must begin with http"),
        ("s3cret.example", None, "must begin with http"),
        ("ftp://s3cret.example/", None, "must begin with http"),
        ("http:///s3cret", None, "must be one such as"),
        ("http://s3cret example/", None, "must not contain spaces"),
        ("http://shop.example:s3cret/", None, "a number from 1 to 65535"),
        ("http://s3cret!/", None, "must be a name of letters"),
        ("http://[s3cret]/", None, "must be in brackets"),
        ("http://s3crét/", None, "punycode"),
        ("http://localhost/s3cret", None, "--fulfillment-allow-private"),
        ("https://ada:s3cret@shop.example/", None, "user name or password"),
        ("https://shop.example/#s3cret", None, "fragment"),
        ("http://127.0.0.1/?s3cret", None, "127.0.0.1 is not a public address (loopback)"),
        ("http://[::ffff:10.0.0.1]/?s3cret", None, "is not a public address (private)"),
        ("http://shop.example/", Some("whsec_s3cret!"), "must be base64"),
        ("http://shop.example/", Some("whsec_"), "must be base64"),
    ] {
        let secret = secret.map(str::to_owned);
        let config =
            WebhookConfig { to: &Receiver::EXAMPLE, url: url.to_owned(), secret, timeout: LONG, allow_private: false };
        let error = Webhook::new(config).err().unwrap().to_string();
        assert!(error.contains(expected) && !error.contains("s3cret"), "{url}: {error}");
    }
}
