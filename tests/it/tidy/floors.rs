//! Floors: imports go down only, rooms on one floor do not know each other, and some things are used in some rooms
//! only.
//!
//! The room of a file is the first name of its path. A path counts for the room that it is written with, even where
//! that room only re-exports a thing: to import from a room is to know it.

use std::path::Path;

use super::circles::module_path;
use super::source::{Items, Module, Source};

/// Rooms, and what may be used where.
#[derive(Debug)]
pub(crate) struct House {
    /// The words that a path into this crate begins with.
    pub(crate) roots: &'static [&'static str],
    /// From the ground up. A room knows the floors below its own, and no neighbour.
    pub(crate) floors: &'static [&'static [&'static str]],
    /// A part of a path, and the rooms or files that may use it.
    pub(crate) only_in: &'static [(&'static [&'static str], &'static [&'static str])],
}

/// The house that `src` is built as.
pub(crate) const SRC: House = House {
    roots: &["crate", "flashsale"],
    floors: &[
        &["limits", "regular_file"],
        &["domain"],
        &["config", "drawing", "logging", "open_files", "view"],
        &["alerts", "client", "inventory", "metrics", "queue", "store"],
        &["committer", "outbound"],
        &["admission", "fulfillment", "maintenance", "mirror", "monitor", "operator", "rehearsal", "report", "sample"],
        &["engine", "http"],
        &["api", "dashboard", "feed"],
        &["app"],
        &["cli"],
        // `lib` is the map of the crate; it declares the rooms and does nothing.
        &["lib", "main"],
    ],
    only_in: &[
        (&["axum"], &["api", "app", "dashboard", "feed", "http"]),
        (&["utoipa"], &["api", "http", "view"]),
        (&["utoipa_swagger_ui"], &["api", "http"]),
        (&["redb"], &["store"]),
        (&["rustix"], &["http", "open_files", "store"]),
        (&["tokio_postgres"], &["mirror"]),
        (&["postgres"], &["mirror"]),
        (&["sqlx"], &["mirror"]),
        (&["refinery"], &["mirror"]),
        (&["redis"], &["mirror"]),
        (&["std", "env"], &["cli", "config"]),
        (&["signal_hook"], &["app"]),
        (&["SystemTime"], &["domain/clock"]),
        (&["UNIX_EPOCH"], &["domain/clock"]),
        (&["jiff", "Timestamp", "now"], &["domain/clock"]),
        (&["Zoned", "now"], &["domain/clock"]),
        (&["thread", "spawn"], STARTERS),
        (&["thread", "scope"], STARTERS),
        (&["thread", "Builder"], STARTERS),
        (&["tokio", "spawn"], STARTERS),
        (&["task", "spawn"], STARTERS),
        (&["task", "spawn_blocking"], STARTERS),
        (&["task", "spawn_local"], STARTERS),
        (&["JoinSet"], STARTERS),
        // The name for a method of that name.
        (&[".spawn"], STARTERS),
    ],
};

/// Rooms that own threads or tasks, and so start them.
const STARTERS: &[&str] = &[
    "admission",
    "api",
    "app",
    "committer",
    "engine",
    "feed",
    "fulfillment",
    "http",
    "logging",
    "metrics",
    "mirror",
    "monitor",
    "outbound",
    "rehearsal",
    "store",
];

/// The house of these tests: what several of them need is in the harness.
pub(crate) const TESTS: House = House {
    roots: &["crate"],
    floors: &[&["harness"], &["api", "life", "mirror", "sale", "store", "tidy"], &["main"]],
    only_in: &[(&["proc_macro2"], &["tidy"])],
};

impl House {
    fn floor(&self, room: &str) -> Option<usize> {
        self.floors.iter().position(|rooms| rooms.contains(&room))
    }

    fn may_know(&self, from: &str, to: &str) -> bool {
        let below = |(from, to)| to < from;
        from == to || self.floor(from).zip(self.floor(to)).is_none_or(below)
    }

    /// Every broken wall in one file, a sentence each. The path is the one below the directory of the house.
    pub(crate) fn broken_walls(&self, file: &Path, text: &str) -> Vec<String> {
        let shown = file.display();
        let source = match Source::read(text, Items::Shipped) {
            Ok(source) => source,
            Err(error) => return vec![format!("{shown}: {error}")],
        };
        let name = file.with_extension("");
        let room = name.iter().next().unwrap_or_default().to_string_lossy();
        let mut broken = Vec::new();
        if self.floor(&room).is_none() {
            broken.push(format!("{shown}: `{room}` is a room on no floor"));
        }
        for module in &source.modules {
            let imports = module.imports.iter().map(|import| &import.path);
            for path in imports.chain(&module.paths) {
                let mut complain = |why: &str| {
                    broken.push(format!("{shown}:{}: `{}` {why}", path.line, path.segments.join("::")));
                };
                if let Some(other) = self.target(file, module, &path.segments).filter(|to| !self.may_know(&room, to)) {
                    complain(&format!("goes from {room} to {other}, which it must not know"));
                }
                for (what, allowed) in self.only_in {
                    let is_used = path.segments.windows(what.len()).any(|part| part == *what);
                    if is_used && !allowed.iter().any(|place| name.starts_with(place)) {
                        complain(&format!("belongs into {} only", allowed.join(", ")));
                    }
                }
            }
        }
        broken
    }

    /// The room that a path is written with, if it is one of ours.
    fn target<'p>(&self, file: &Path, module: &Module, path: &'p [String]) -> Option<&'p str> {
        let depth = module_path(file).len() + module.inside.len();
        let first = path.iter().position(|segment| segment != "self")?;
        let supers = path[first..].iter().take_while(|segment| *segment == "super").count();
        let room = match path[first].as_str() {
            root if self.roots.contains(&root) => path.get(first + 1)?,
            "super" if supers >= depth => path.get(first + supers)?,
            _ => return None,
        };
        self.floor(room).map(|_| room.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small sources, each with one broken wall, and a word of the sentence about it.
    const BROKEN: &[(&str, &str, &str)] = &[
        // Upwards.
        ("store.rs", "use crate::committer::Committer;", "committer"),
        ("queue.rs", "use crate::{domain::clock::Clock, admission::{Admission, Seat}};", "admission"),
        ("queue/ready.rs", "use crate::{\n    domain::clock::Clock,\n    http,\n};", "ready.rs:3"),
        ("domain/order.rs", "fn f() { crate::config::default(); }", "config"),
        ("view.rs", "fn f() { let all = A { x: 1, ..crate::store::A::new() }; }", "store"),
        ("limits.rs", "use crate::domain::money::Money;", "domain"),
        ("inventory.rs", "mod atomic { pub use super::super::http::Edge; }", "http"),
        ("app.rs", "use flashsale::cli;", "cli"),
        ("http.rs", "use crate::api::Route;", "api"),
        ("store.rs", "#[cfg(test)]\nmod tests { use crate::http; }\nuse crate::http;", "store.rs:3"),
        ("store.rs", "#[cfg(not(test))]\nuse crate::http;", "http"),
        ("store.rs", "macro_rules! m { () => { $crate::app::start() } }", "app"),
        // To a neighbour.
        ("store/read.rs", "use super::super::queue::Queue;", "queue"),
        ("queue.rs", "use super::inventory;", "inventory"),
        ("admission.rs", "type Worker = crate::fulfillment::Worker;", "fulfillment"),
        ("feed.rs", "use crate::dashboard::Page;", "dashboard"),
        ("config.rs", "pub use crate::view::Text as Words;", "view"),
        // Where something must not be used.
        ("store/read.rs", "use axum::Router;", "axum"),
        ("committer.rs", "fn f() -> axum::Router { ::axum::Router::new() }", "axum"),
        ("http/orders.rs", "use redb::Database;", "redb"),
        ("app.rs", "#[derive(utoipa::ToSchema)] struct A;", "utoipa"),
        ("store.rs", "use tokio_postgres::Client;", "mirror"),
        ("fulfillment.rs", "fn f() { std::env::var(\"HOME\"); }", "std::env"),
        ("http.rs", "use std::{env as surroundings, io};", "std::env"),
        ("alerts.rs", "use std::time::{Duration, SystemTime};", "SystemTime"),
        ("domain/order.rs", "fn f() { jiff::Timestamp::now(); }", "domain/clock"),
        ("inventory.rs", "fn f() { std::thread::spawn(|| {}); }", "thread::spawn"),
        ("queue.rs", "fn f(set: &mut Tasks) { set.spawn(async {}); }", ".spawn"),
        // Without a floor, or not to be read.
        ("cabinet.rs", "fn f() {}", "no floor"),
        ("store.rs", "fn f() { ( }", "no Rust"),
    ];

    const WHOLE: &[(&str, &str)] = &[
        ("store.rs", "// use crate::http;\n/* use crate::app; /* nested */ */ const A: &str = \"crate::http\";"),
        ("store.rs", "const A: &str = r#\"\" use axum; \"#; const B: char = '\"'; fn f<'a>(_: &'a str) {}"),
        ("store.rs", "/// Like `use crate::http;`.\nfn f() {}"),
        ("store/read.rs", "use super::{Store, tables}; use crate::domain::clock::Clock; use redb::Database;"),
        ("main.rs", "use flashsale::{app, cli};"),
        ("domain/order.rs", "use crate::domain::product::ProductId; use super::money; use crate::limits::MOST;"),
        ("domain/clock/rfc3339.rs", "use std::time::SystemTime;"),
        ("domain/clock.rs", "fn f() { SystemTime::now(); }"),
        ("queue.rs", "#[cfg(test)]\nmod tests { use crate::http; fn f() { if true { axum::x() } } }"),
        ("queue.rs", "#[cfg(test)]\nmod tests;\nuse crate::domain::clock::Clock;"),
        ("queue.rs", "#[cfg(test)]\n#[path = \"a\"]\nuse crate::app;\nfn f(a: A) { a.axum.redis() }"),
        (
            "http.rs",
            "use crate::{admission::Admission, domain::clock::{Clock, Timestamp}, committer}; use axum::Router;",
        ),
        ("api/orders.rs", "use crate::http::Page; use utoipa::ToSchema;"),
        ("inventory.rs", "mod atomic { pub use super::counter::Counter; }"),
    ];

    #[test]
    fn a_broken_wall_is_caught() {
        for (file, text, word) in BROKEN {
            let broken = SRC.broken_walls(Path::new(file), text);
            assert!(!broken.is_empty(), "not caught: {file}: {text}");
            assert!(broken.iter().all(|sentence| sentence.contains(word)), "{file}: {text}: {broken:?}");
        }
    }

    #[test]
    fn a_whole_wall_is_left_alone() {
        for (file, text) in WHOLE {
            assert_eq!(SRC.broken_walls(Path::new(file), text), [""; 0], "{file}: {text}");
        }
    }

    #[test]
    fn no_room_is_on_two_floors() {
        for house in [SRC, TESTS] {
            let mut rooms = house.floors.concat();
            let all = rooms.len();
            rooms.sort_unstable();
            rooms.dedup();
            assert_eq!(rooms.len(), all, "{:?}", house.floors);
        }
    }
}
