//! A browser without scripts: it knows the address that people type, keeps cookies by their path, and fails at whatever
//! leads out of the prefix.

use std::collections::{BTreeMap, BTreeSet};

use hyper::Method;
use hyper::header::SET_COOKIE;

use crate::harness::{Answer, Client, request};

pub(super) const SHOP: &str = "https://shop.example";
pub(super) const PREFIX: &str = "/flash";

/// Pages of one path that are opened: their queries are of one form.
const MOST_OF_A_PATH: usize = 8;

const FORM: &str = "application/x-www-form-urlencoded";

pub(super) struct Browser {
    client: Client,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    /// A browser for which this address has the name of the shop.
    pub(super) fn new(address: &str) -> Self {
        Self { client: Client::new(address), cookies: BTreeMap::new() }
    }

    /// The values of all cookies, as a header.
    pub(super) fn cookie(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    pub(super) async fn open(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, None, SHOP).await
    }

    /// Sends a form of a page of the shop.
    pub(super) async fn submit(&mut self, path: &str, form: &str) -> Answer {
        self.send(Method::POST, path, Some(form), SHOP).await
    }

    /// Sends a request of a page of `origin`, and keeps the cookies of the response.
    pub(super) async fn send(&mut self, method: Method, path: &str, form: Option<&str>, origin: &str) -> Answer {
        let mut sent = request(method.clone(), path, form.map(|_| FORM), form.unwrap_or_default().as_bytes());
        let site = if origin == SHOP { "same-origin" } else { "cross-site" };
        let mut headers = vec![("host", "shop.example".to_owned()), ("sec-fetch-site", site.to_owned())];
        if method != Method::GET {
            headers.push(("origin", origin.to_owned()));
        }
        if !self.cookies.is_empty() {
            headers.push(("cookie", self.cookie()));
        }
        for (name, value) in headers {
            sent.headers_mut().insert(name, value.parse().unwrap());
        }
        let answer = self.client.try_send(sent).await.unwrap();
        self.keep_cookies(&answer);
        if !answer.header("location").is_empty() {
            assert_below(answer.header("location"), path);
        }
        answer
    }

    fn keep_cookies(&mut self, answer: &Answer) {
        for cookie in answer.headers.get_all(SET_COOKIE) {
            let mut parts = cookie.to_str().unwrap().split("; ");
            let (name, value) = parts.next().unwrap().split_once('=').unwrap();
            let attributes: Vec<_> = parts.collect();
            assert!(attributes.contains(&"Path=/flash"), "{cookie:?}");
            if attributes.contains(&"Max-Age=0") {
                self.cookies.remove(name);
            } else {
                assert!(attributes.contains(&"Secure"), "{cookie:?}");
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Follows everything that pages lead to, from these on. Each must be below the prefix and there. Gives all URLs.
    pub(super) async fn crawl(&mut self, from: &[&str]) -> BTreeSet<String> {
        let mut seen: BTreeSet<String> = from.iter().map(|&url| url.to_owned()).collect();
        let mut next: Vec<String> = seen.iter().cloned().collect();
        let mut opened: BTreeMap<String, usize> = BTreeMap::new();
        while let Some(url) = next.pop() {
            let of_path = opened.entry(url.split('?').next().unwrap().to_owned()).or_default();
            *of_path += 1;
            if *of_path > MOST_OF_A_PATH {
                continue;
            }
            let answer = self.open(&url).await;
            // An act has no page: its path takes forms only.
            assert!(matches!(answer.status, 200 | 303 | 307 | 405), "{url}: {answer}");
            let mut found = vec![answer.header("location").to_owned()];
            if answer.header("content-type").starts_with("text/html") {
                found.extend(urls(answer.body.as_str().unwrap_or_default()).iter().map(|to| resolved(to, &url)));
            }
            for to in found.into_iter().filter(|to| !to.is_empty()) {
                assert_below(&to, &url);
                if seen.insert(to.clone()) {
                    next.push(to);
                }
            }
        }
        seen
    }
}

fn assert_below(url: &str, on: &str) {
    assert!(url.starts_with("/flash/") && !url.starts_with("/flash/flash"), "{url:?} on {on:?}");
}

/// What a page leads to, as it says it.
fn urls(page: &str) -> Vec<String> {
    let values = ["href", "src", "action", "formaction"].into_iter().flat_map(|name| {
        let mut pieces = page.split(name);
        pieces.next();
        pieces.filter_map(|piece| piece.strip_prefix("=\"")?.split_once('"').map(|(value, _)| value))
    });
    values.filter(|value| !value.starts_with('#')).map(|value| value.replace("&#38;", "&")).collect()
}

/// A URL on a page, from the root on.
fn resolved(url: &str, page: &str) -> String {
    let path = page.split('?').next().unwrap();
    match url.as_bytes().first() {
        Some(b'/') => url.to_owned(),
        None | Some(b'?') => format!("{path}{url}"),
        Some(_) => format!("{}/{url}", path.rsplit_once('/').unwrap().0),
    }
}
