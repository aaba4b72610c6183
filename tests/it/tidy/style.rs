//! How a file looks: short, narrow, with a name that says something, and no lint allowed without a reason.

use std::path::Path;

use super::source::{Items, Source};

const MAX_LINES: usize = 500;
const MAX_WIDTH: usize = 120;

/// File names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 6] = ["utils.rs", "helpers.rs", "common.rs", "types.rs", "imp.rs", "mod.rs"];

/// Every breach of style in one file, a sentence each.
pub(crate) fn breaches(file: &Path, text: &str) -> Vec<String> {
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
    match Source::read(text, Items::All) {
        Ok(source) => breaches.extend(
            source
                .allowances_without_reason
                .iter()
                .map(|line| format!("{}:{line}: a lint is allowed without a reason", file.display())),
        ),
        Err(error) => breaches.push(format!("{}: {error}", file.display())),
    }
    breaches
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
        ("src/http.rs", "fn f() { #[cfg_attr(test, allow(unused))] let a = 1; }"),
    ] {
        assert_eq!(breaches(Path::new(file), text).len(), 1, "{file}: {}", &text[..text.len().min(60)]);
    }
    let good = "#[allow(dead_code, reason = \"used by the next commit\")] fn f() {} // #[allow(x)]";
    assert_eq!(breaches(Path::new("src/http.rs"), good), [""; 0]);
}
