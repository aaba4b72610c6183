//! Draws a request: an operation of the description, each part of it plausible or not.

use hyper::Method;
use serde_json::json;

use super::ask::{Ask, Condition, Key, Page, Part, Target, Token};
use super::body::{Seen, draw_body};
use super::known::Known;
use super::setup::{ADMIN, ALLOWED, PUBLIC_HOST, PUBLIC_ORIGIN, SHOP, Setup};
use crate::harness::Operation;
use crate::harness::rng::Rng;

/// Names that nobody else can give to this machine.
const OWN_HOSTS: [&str; 8] =
    ["localhost", "localhost:1", "LocalHost:3000", "[::1]", "[::1]:3000", "127.0.0.1", "192.0.2.7:80", "127.9.9.9:1"];
const FOREIGN_HOSTS: [&str; 10] = [
    "evil.example",
    "evil.example:3000",
    "EVIL.EXAMPLE",
    "evil.example.",
    "localhost.evil.example",
    "127.0.0.1.evil.example:3000",
    "notlocalhost",
    "shop.example",
    "x.drops.example",
    "drops.example.evil.example",
];
/// The contract says nothing of them.
const OPEN_HOSTS: [&str; 4] = ["localhost.", "LOCALHOST.:80", "app.localhost", "drops.example:443"];
const NO_HOSTS: [&[u8]; 12] = [
    b"",
    b"a b",
    b"http://localhost/",
    b"localhost:port",
    b"localhost@evil.example",
    b"localhost, evil.example",
    b"[::1",
    b"[::1].evil.example",
    b"[evil.example]",
    b"localhost/..",
    b"caf\xc3\xa9",
    b"\xff",
];
const FOREIGN_ORIGINS: [&[u8]; 24] = [
    b"null",
    b"",
    b"://",
    b"http://",
    b"evil",
    b"https://evil.example",
    b"http://localhost.evil.example",
    b"http://127.0.0.1.evil.example:3000",
    b"http://localhost:80@evil.example",
    b"http://localhost@evil.example",
    b"http://localhost/",
    b"http://localhost evil.example",
    b"http://[::1].evil.example",
    b"http://[localhost]",
    b"http://203.0.113.9:3000",
    b"https://shop.example.evil.example",
    b"https://shop.example:8443",
    b"https://shop.example:443",
    b"http://shop.example",
    b"https://xshop.example",
    b"https://shop.example/",
    b"https://drops.example.evil.example",
    b"https://shop.example, https://evil.example",
    b"\xff\xfe",
];
const LOOPBACK_ORIGINS: [&str; 5] =
    ["http://localhost:5173", "https://localhost", "http://127.0.0.1:9", "http://[::1]:3000", "http://[::1]"];

pub(super) struct Drawing<'a> {
    pub(super) rng: &'a mut Rng,
    pub(super) setup: Setup,
    pub(super) known: &'a Known,
    /// The server's address.
    pub(super) address: &'a str,
    /// How many were drawn before, for what must be new.
    pub(super) number: usize,
    /// Whether nothing is varied.
    pub(super) is_plain: bool,
}

impl Drawing<'_> {
    pub(super) fn ask(&mut self, operation: &Operation) -> Ask {
        let mut ask = Ask::new(operation);
        match operation.method {
            _ if self.is_plain => {}
            Method::GET if self.rng.chance(1, 12) => ask.method = Method::HEAD,
            _ if self.rng.chance(1, 16) => ask.method = Method::OPTIONS,
            _ => {}
        }
        self.draw_path(&mut ask);
        let host = self.draw_host(&mut ask);
        self.draw_origin(&mut ask, &host);
        self.draw_token(&mut ask);
        if ask.method != Method::OPTIONS {
            let seen = Seen { known: self.known, number: self.number, is_plain: self.is_plain };
            draw_body(self.rng, &mut ask, &seen);
            self.draw_key(&mut ask);
            self.draw_conditions(&mut ask);
        } else if self.rng.chance(2, 3) {
            ask.header("access-control-request-method", operation.method.as_str());
        }
        ask
    }

    fn draw_path(&mut self, ask: &mut Ask) {
        let known = self.known;
        let is_of_product = ask.path.contains("/inventory/");
        let malformed = ["abc", "0", "-1", "1%20", "%00", "18446744073709551617"];
        let mut named = None;
        if let Some((_, name)) = ask.path.split_once('{') {
            let there: Vec<String> = match name.split_once('}').unwrap().0 {
                "id" if self.is_plain && ask.is(&Method::DELETE, "/inventory/{id}") => {
                    known.deletable().iter().map(u64::to_string).collect()
                }
                "id" if is_of_product => known.state.products.keys().map(u64::to_string).collect(),
                "id" => known.orders.iter().map(u64::to_string).collect(),
                "jobId" if ask.path.contains("dead-letter") => known.state.dead.clone(),
                "jobId" => known.jobs.clone(),
                "userId" => vec!["ada".to_owned()],
                "file" => vec!["docs.js".to_owned()],
                other => panic!("what is {other} in {}?", ask.path),
            };
            let (target, text) = match self.rng.below(10) {
                0 if !self.is_plain => (Target::Missing, "9999999".to_owned()),
                1 if !self.is_plain => (Target::Malformed, (*self.rng.pick(&malformed)).to_owned()),
                _ if there.is_empty() => (Target::Missing, "8888888".to_owned()),
                _ => (Target::There, self.rng.pick(&there).clone()),
            };
            ask.target = target;
            if is_of_product && target == Target::There {
                ask.product = text.parse().ok();
            }
            named = Some(text);
        }
        ask.path = ask.operation.filled(named.as_deref().unwrap_or_default());
        if ask.path.ends_with("/queue/jobs") {
            ask.path += "?state=delayed";
        } else if !self.is_plain && self.rng.chance(1, 16) {
            ask.query = Part::Wrong;
            ask.path += *self.rng.pick(&["?nope=1", "?limit=1&limit=2", "?%zz=1", "?origin=x"]);
        } else if ask.path.ends_with("/dead-letter") || ask.path.ends_with("/dead-letter/retry") {
            // Else there are soon none left.
            ask.path += if ask.is_act() && self.rng.chance(3, 4) { "?dryRun=true" } else { "" };
        }
        if self.setup.public && self.rng.chance(1, 3) {
            ask.path = format!("{}{}", self.setup.prefix(), ask.path);
        }
    }

    /// Gives the host, if it is one.
    fn draw_host(&mut self, ask: &mut Ask) -> String {
        let own = match self.rng.below(10) {
            _ if self.is_plain => self.address.to_owned(),
            0 | 1 => (*self.rng.pick(&OWN_HOSTS)).to_owned(),
            2 => {
                ask.host = Part::Wrong;
                (*self.rng.pick(&FOREIGN_HOSTS)).to_owned()
            }
            3 => match self.rng.below(4) {
                0 => {
                    ask.host = if self.setup.public { Part::Right } else { Part::Wrong };
                    PUBLIC_HOST.to_owned()
                }
                1 => {
                    ask.host = Part::Open;
                    (*self.rng.pick(&OPEN_HOSTS)).to_owned()
                }
                _ => {
                    ask.malformed.push(400);
                    match self.rng.below(5) {
                        0 => {}
                        1 => ["localhost"; 2].iter().for_each(|host| ask.header("host", host)),
                        2 => [self.address, "evil.example"].iter().for_each(|host| ask.header("host", host)),
                        _ => ask.header("host", self.rng.pick(&NO_HOSTS)),
                    }
                    return String::new();
                }
            },
            _ => self.address.to_owned(),
        };
        ask.header("host", &own);
        own
    }

    fn draw_origin(&mut self, ask: &mut Ask, host: &str) {
        match self.rng.below(16) {
            _ if self.is_plain => {}
            0 => {
                ask.page = Page::Own;
                ask.header("origin", format!("http://{host}"));
            }
            1 => {
                ask.page = Page::Own;
                ask.header("origin", self.rng.pick(&LOOPBACK_ORIGINS));
            }
            2 | 3 => {
                ask.page = Page::Foreign;
                ask.header("origin", self.rng.pick(&FOREIGN_ORIGINS));
            }
            4 | 5 => {
                ask.page = if self.setup.cors { Page::Allowed } else { Page::Foreign };
                ask.header("origin", ALLOWED);
            }
            6 => {
                ask.page = if self.setup.public { Page::Own } else { Page::Foreign };
                ask.header("origin", PUBLIC_ORIGIN);
            }
            7 => {
                // A page of ours and another one.
                ask.page = Page::Foreign;
                ask.malformed.push(400);
                let own = format!("http://{host}");
                let others = ["https://evil.example", "null"];
                for origin in [*self.rng.pick(&[own.as_str(), ALLOWED, "http://localhost"]), *self.rng.pick(&others)] {
                    ask.header("origin", origin);
                }
            }
            _ => {}
        }
    }

    fn draw_token(&mut self, ask: &mut Ask) {
        let bearer = |token: &str| format!("Bearer {token}");
        // Without a token set, nobody sends one, most of the time.
        let usual = if self.setup.admin { Token::Admin } else { Token::None };
        ask.token = match self.rng.below(12) {
            _ if self.is_plain => usual,
            0 => Token::None,
            1 => Token::Wrong,
            2 => Token::Storefront,
            _ => usual,
        };
        let wrong = ["Bearer", "Bearer ", "Bearer wrong", "Basic YTpi", ADMIN, &bearer(&ADMIN[1..]), "\u{e9}"];
        match ask.token {
            Token::None => return,
            Token::Wrong => ask.header("authorization", self.rng.pick(&wrong)),
            Token::Storefront => ask.header("authorization", bearer(SHOP)),
            Token::Admin => ask.header("authorization", bearer(ADMIN)),
        }
        if !self.is_plain && self.rng.chance(1, 24) {
            let second = *self.rng.pick(&[ADMIN, SHOP, "wrong"]);
            ask.malformed.push(400);
            ask.header("authorization", bearer(second));
        }
    }

    fn draw_key(&mut self, ask: &mut Ask) {
        let often = if ask.places_an_order() { 2 } else { 8 };
        if self.is_plain || !self.rng.chance(1, often) {
            return;
        }
        let kept: Vec<_> = self.known.keys.iter().collect();
        match self.rng.below(8) {
            0 => {
                ask.key = Key::Malformed;
                let wrong = ["", "a b", "caf\u{e9}", &"k".repeat(256)];
                ask.header("idempotency-key", self.rng.pick(&wrong));
            }
            1 => {
                ask.key = Key::Malformed;
                let second = *self.rng.pick(&["twice", "other"]);
                ["twice", second].iter().for_each(|key| ask.header("idempotency-key", key));
            }
            2..=4 if !kept.is_empty() => {
                let (key, kept) = *self.rng.pick(&kept);
                ask.key = Key::Valid(key.clone());
                ask.header("idempotency-key", key);
                if ask.places_an_order() && ask.content == Part::Right {
                    // Half of them with the same order, the others with one that differs in as little as possible.
                    ask.json = kept.order.clone();
                    if self.rng.chance(1, 2) {
                        ask.json["userId"] = json!(format!("not-{}", ask.json["userId"].as_str().unwrap()));
                    }
                    ask.body = ask.json.to_string().into_bytes();
                }
            }
            _ => {
                let key = format!("{}-{}", "k".repeat(*self.rng.pick(&[1, 200])), self.number);
                ask.header("idempotency-key", &key);
                ask.key = Key::Valid(key);
            }
        }
    }

    fn draw_conditions(&mut self, ask: &mut Ask) {
        let tag = ask.product.map(|id| self.known.state.products[&id].0.clone());
        if self.is_plain {
            // A form needs it, and nothing minds it.
            if let Some(tag) = tag.filter(|_| ask.is(&Method::PUT, "/inventory/{id}")) {
                ask.if_match = Condition::Holds;
                ask.header("if-match", tag);
            }
            return;
        }
        let past = ask.product.and_then(|id| self.known.past.get(&id)).map_or(&[][..], Vec::as_slice);
        if ask.operation.path.contains("/inventory/{id}") {
            match tag {
                _ if self.rng.chance(3, 5) => {}
                Some(tag) => self.draw_if_match(ask, &tag, past),
                None => ask.header("if-match", self.rng.pick(&["*", "\"0-0\""])),
            }
        } else if self.rng.chance(1, 20) {
            ask.header("if-match", self.rng.pick(&["*", "\"0-0\"", "W/\"1\"", "gibberish", "", ",,"]));
        }
        let Some(tag) = ask.product.map(|id| self.known.state.products[&id].0.clone()) else { return };
        if ask.method.is_safe() && self.rng.chance(1, 2) {
            let (value, is_current) = match self.rng.below(7) {
                0 | 1 => (tag, true),
                2 => (format!("W/{tag}"), true),
                3 => (format!("\"other\", {tag}"), true),
                4 => ("*".to_owned(), true),
                5 => ("\"0000000000000000-0000000000000000\", W/\"x\"".to_owned(), false),
                _ => ("gibberish,,\"".to_owned(), false),
            };
            ask.knows_state = is_current;
            ask.header("if-none-match", value);
        }
    }

    fn draw_if_match(&mut self, ask: &mut Ask, tag: &str, past: &[String]) {
        let half = |tag: &str| tag.split_once('-').map(|(terms, _)| terms.to_owned());
        let (same, others): (Vec<_>, Vec<_>) =
            past.iter().filter(|old| *old != tag).partition(|old| half(old) == half(tag));
        let invented = "\"0000000000000000-0000000000000000\"".to_owned();
        let stale = others.last().copied().unwrap_or(&invented);
        let (condition, value) = match self.rng.below(10) {
            0 | 1 => (Condition::Holds, tag.to_owned()),
            2 => (Condition::Holds, "*".to_owned()),
            3 => (Condition::Holds, format!("{stale}, \"x\", {tag}")),
            4 | 5 => (Condition::Fails, stale.clone()),
            6 => (Condition::Fails, format!("W/{tag}")),
            7 => (Condition::Fails, format!("{stale},{invented}")),
            8 if !same.is_empty() => (Condition::HoldsButStock, self.rng.pick(&same).to_string()),
            _ => {
                (Condition::Fails, (*self.rng.pick(&["", ",", "gibberish", "\"\"", tag.trim_matches('"')])).to_owned())
            }
        };
        ask.if_match = condition;
        match value.split_once(", \"x\", ") {
            // A list may come in several headers.
            Some((first, second)) if self.rng.chance(1, 2) => {
                [first, second].iter().for_each(|tag| ask.header("if-match", tag));
            }
            _ => ask.header("if-match", value),
        }
    }
}
