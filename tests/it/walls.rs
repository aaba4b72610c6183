//! Walls between the rooms of `src`, and other rules of style that a machine can check.

mod source;

use std::path::{Path, PathBuf};

use source::{Source, paths};

/// What every other room may know, and whose modules may know each other.
const DOMAIN: u8 = 0;

/// Rooms by level. A room knows the levels below its own, and no neighbour.
const ROOMS: &[(&str, u8)] = &[
    ("change", DOMAIN),
    ("clock", DOMAIN),
    ("decimal", DOMAIN),
    ("digits", DOMAIN),
    ("job_id", DOMAIN),
    ("limits", DOMAIN),
    ("money", DOMAIN),
    ("names", DOMAIN),
    ("order", DOMAIN),
    ("product", DOMAIN),
    ("refusal", DOMAIN),
    ("regular_file", DOMAIN),
    ("config", 1),
    ("logging", 1),
    ("open_files", 1),
    ("view", 1),
    ("alerts", 2),
    ("inventory", 2),
    ("metrics", 2),
    ("queue", 2),
    ("store", 2),
    ("committer", 3),
    ("admission", 4),
    ("fulfillment", 4),
    ("maintenance", 4),
    ("mirror", 4),
    ("monitor", 4),
    ("operator", 4),
    ("rehearsal", 4),
    ("sample", 4),
    ("dashboard", 5),
    ("feed", 5),
    ("http", 5),
    ("api", 6),
    ("app", 7),
    ("cli", 8),
    ("main", 9),
    // The map of the crate; it declares the rooms and does nothing.
    ("lib", 9),
];

/// Rooms that own threads or tasks, and so start them.
const STARTERS: &[&str] = &[
    "admission",
    "api",
    "app",
    "committer",
    "feed",
    "fulfillment",
    "http",
    "logging",
    "metrics",
    "mirror",
    "monitor",
    "rehearsal",
    "store",
];

/// What is used in some rooms only.
const ONLY_IN: &[(&[&str], &[&str])] = &[
    (&["axum"], &["api", "app", "dashboard", "feed", "http"]),
    (&["utoipa"], &["api", "http", "view"]),
    (&["utoipa_swagger_ui"], &["api"]),
    (&["redb"], &["store"]),
    (&["rustix"], &["http", "open_files", "store"]),
    (&["tokio_postgres"], &["mirror"]),
    (&["postgres"], &["mirror"]),
    (&["sqlx"], &["mirror"]),
    (&["refinery"], &["mirror"]),
    (&["redis"], &["mirror"]),
    (&["std", "env"], &["cli", "config"]),
    (&["signal_hook"], &["app"]),
    (&["SystemTime"], &["clock"]),
    (&["UNIX_EPOCH"], &["clock"]),
    (&["jiff", "Timestamp", "now"], &["clock"]),
    (&["Zoned", "now"], &["clock"]),
    (&["thread", "spawn"], STARTERS),
    (&["thread", "scope"], STARTERS),
    (&["thread", "Builder"], STARTERS),
    (&["tokio", "spawn"], STARTERS),
    (&["task", "spawn"], STARTERS),
    (&["task", "spawn_blocking"], STARTERS),
    (&["task", "spawn_local"], STARTERS),
    (&["JoinSet"], STARTERS),
    // The name for a method call of that name.
    (&[".spawn"], STARTERS),
];

const MAX_LINES: usize = 500;
const MAX_WIDTH: usize = 120;

/// File names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 6] = ["utils.rs", "helpers.rs", "common.rs", "types.rs", "imp.rs", "mod.rs"];

fn level(room: &str) -> Option<u8> {
    ROOMS.iter().find(|(name, _)| *name == room).map(|(_, level)| *level)
}

fn may_know(from: &str, to: &str) -> bool {
    match (level(from), level(to)) {
        (Some(from_level), Some(to_level)) => from == to || to_level < from_level || (from_level, to_level) == (0, 0),
        _ => true,
    }
}

/// The room of a file, and how many modules deep it is, from its path below `src`.
fn place(file: &Path) -> (String, usize) {
    let file = file.with_extension("");
    let names: Vec<_> = file.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    let depth = if names == ["main"] || names == ["lib"] { 0 } else { names.len() };
    (names[0].clone(), depth)
}

/// The room that a path leads into, if it leads into one of ours.
fn target(path: &[String], depth: usize) -> Option<&str> {
    let first = path.iter().position(|segment| segment != "self")?;
    let supers = path[first..].iter().take_while(|segment| *segment == "super").count();
    let room = match path[first].as_str() {
        "crate" | "flashsale" => path.get(first + 1)?,
        "super" if supers >= depth => path.get(first + supers)?,
        _ => return None,
    };
    level(room).map(|_| room.as_str())
}

/// Every broken wall in one file of `src`, a sentence each.
fn broken_walls(file: &Path, text: &str) -> Vec<String> {
    let (room, depth) = place(file);
    let mut broken = Vec::new();
    if level(&room).is_none() {
        broken.push(format!("src/{}: `{room}` is a room without a place among the rooms", file.display()));
    }
    for (line, path) in paths(&Source::without_tests(text)) {
        let mut complain = |why: &str| {
            broken.push(format!("src/{}:{line}: `{}` {why}", file.display(), path.join("::")));
        };
        if let Some(other) = target(&path, depth).filter(|other| !may_know(&room, other)) {
            complain(&format!("goes from {room} to {other}, which it must not know"));
        }
        for (what, rooms) in ONLY_IN {
            if path.windows(what.len()).any(|window| window == *what) && !rooms.contains(&room.as_str()) {
                complain(&format!("belongs into {} only", rooms.join(", ")));
            }
        }
    }
    broken
}

/// Every breach of style in one file, a sentence each.
fn breaches(file: &Path, text: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    if EMPTY_NAMES.contains(&&*name) {
        breaches.push(format!("{}: a name that says nothing", file.display()));
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        breaches.push(format!("{}: {lines} lines are more than {MAX_LINES}", file.display()));
    }
    for (number, line) in (1..).zip(text.lines()) {
        if line.chars().count() > MAX_WIDTH {
            breaches.push(format!("{}:{number}: wider than {MAX_WIDTH}", file.display()));
        }
    }
    for line in Source::of(text).allowances_without_reason() {
        breaches.push(format!("{}:{line}: an allowance without a reason", file.display()));
    }
    breaches
}

/// All Rust files below a directory of the project, relative to it, with their texts.
fn files(below: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(below);
    let (mut found, mut left) = (Vec::new(), vec![root.clone()]);
    while let Some(directory) = left.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(&root).unwrap().to_owned(), text));
            }
        }
    }
    found
}

/// Whether a file holds only the tests of the module above it, which may look wherever they need to.
fn is_tests(file: &Path) -> bool {
    file.with_extension("").iter().any(|name| name == "tests")
}

#[test]
fn no_room_knows_what_it_must_not() {
    let sources = files("src");
    assert!(!sources.is_empty());
    let shipped = sources.iter().filter(|(file, _)| !is_tests(file));
    let broken: Vec<_> = shipped.flat_map(|(file, text)| broken_walls(file, text)).collect();
    assert!(broken.is_empty(), "broken walls:\n{}", broken.join("\n"));
}

#[test]
fn every_file_is_short_named_and_reasonable() {
    let mut all = Vec::new();
    for below in ["src", "tests", "benches"] {
        all.extend(files(below).iter().flat_map(|(file, text)| breaches(&Path::new(below).join(file), text)));
    }
    assert!(all.is_empty(), "breaches of style:\n{}", all.join("\n"));
}

#[test]
fn a_broken_wall_is_caught() {
    let bad = [
        ("store.rs", "use crate::committer::Committer;"),
        ("store/read.rs", "use super::super::queue::Queue;"),
        ("queue.rs", "use crate::{clock::Clock, store::{Store, Tables}};"),
        ("queue/ready.rs", "use crate::{\n    clock::Clock,\n    http,\n};"),
        ("queue.rs", "use super::inventory;"),
        ("order.rs", "fn f() { crate::config::default(); }"),
        ("admission.rs", "type Worker = crate::fulfillment::Worker;"),
        ("http/orders.rs", "use redb::Database;"),
        ("committer.rs", "fn f() -> axum::Router { ::axum::Router::new() }"),
        ("fulfillment.rs", "fn f() { std::env::var(\"HOME\"); }"),
        ("http.rs", "use std::{env as surroundings, io};"),
        ("events.rs", "use std::time::{Duration, SystemTime};"),
        ("inventory.rs", "fn f() { std::thread::spawn(|| {}); }"),
        ("queue.rs", "fn f(set: &mut Tasks) { set.spawn(async {}); }"),
        ("cabinet.rs", "fn f() {}"),
        ("store.rs", "#[cfg(test)]\nmod tests { use crate::http; }\nuse crate::http;"),
        ("app.rs", "use flashsale::cli;"),
    ];
    for (file, text) in bad {
        assert_ne!(broken_walls(Path::new(file), text), [""; 0], "not caught: {file}: {text}");
    }
}

#[test]
fn a_whole_wall_is_left_alone() {
    let good = [
        ("store.rs", "// use crate::http;\n/* use crate::app; /* nested */ */ const A: &str = \"crate::http\";"),
        ("store.rs", "const A: &str = r#\"\" use axum; \"#; const B: char = '\"'; fn f<'a>(_: &'a str) {}"),
        ("store/read.rs", "use super::{Store, tables}; use crate::domain::clock::Clock; use redb::Database;"),
        ("main.rs", "use flashsale::{app, cli};"),
        ("order.rs", "use crate::domain::product::ProductId;"),
        ("product.rs", "use crate::domain::order::Order;"),
        ("queue.rs", "#[cfg(test)]\nmod tests { use crate::http; fn f() { if true { axum::x() } } }"),
        ("queue.rs", "#[cfg(test)]\nmod tests;\nuse crate::domain::clock::Clock;"),
        ("http.rs", "use crate::{admission::Admission, clock::{Clock, Timestamp}, committer}; use axum::Router;"),
    ];
    for (file, text) in good {
        assert_eq!(broken_walls(Path::new(file), text), [""; 0], "{file}: {text}");
    }
}

#[test]
fn a_breach_of_style_is_caught() {
    let long = "fn f() {}\n".repeat(MAX_LINES + 1);
    let wide = format!("// {}", "é".repeat(MAX_WIDTH));
    for (file, text) in [
        ("src/utils.rs", ""),
        ("src/http/mod.rs", ""),
        ("src/http.rs", &long),
        ("src/http.rs", &wide),
        ("src/http.rs", "#[allow(dead_code)] fn f() {}"),
        ("src/http.rs", "#![allow(\n    clippy::all,\n)]"),
        ("src/http.rs", "#[expect(dead_code)]\nfn f() {}"),
    ] {
        assert_eq!(breaches(Path::new(file), text).len(), 1, "{file}: {}", &text[..text.len().min(60)]);
    }
    let good = "#[allow(dead_code, reason = \"shown in the next part\")] fn f() {} // #[allow(x)]";
    assert_eq!(breaches(Path::new("src/http.rs"), good), [""; 0]);
}
