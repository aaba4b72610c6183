//! Walls between the rooms of `src`, and other rules of style that a machine can check. Each rule is a function of
//! paths and texts, with tests of its own that show it small broken sources.

mod circles;
mod floors;
mod source;
mod style;

use std::path::{Path, PathBuf};

use circles::circles;
use floors::{SRC, TESTS};
use source::Items;
use style::breaches;

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
    found.sort();
    found
}

/// The files of `src` that end up in the binary. The tests of a module, in a file `tests.rs` or a folder `tests`, may
/// look anywhere.
fn shipped() -> Vec<(PathBuf, String)> {
    let is_tests = |file: &Path| file.with_extension("").iter().any(|name| name == "tests");
    let shipped: Vec<_> = files("src").into_iter().filter(|(file, _)| !is_tests(file)).collect();
    assert!(!shipped.is_empty());
    shipped
}

#[test]
fn no_room_knows_what_it_must_not() {
    let sources = shipped();
    let broken: Vec<_> = sources.iter().flat_map(|(file, text)| SRC.broken_walls(file, text)).collect();
    assert!(broken.is_empty(), "broken walls in src:\n{}", broken.join("\n"));
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let circles = circles(&shipped(), Items::Shipped);
    assert!(circles.is_empty(), "circles in src:\n{}", circles.join("\n"));
}

#[test]
fn the_tests_have_walls_too() {
    let sources = files("tests/it");
    let mut broken: Vec<_> = sources.iter().flat_map(|(file, text)| TESTS.broken_walls(file, text)).collect();
    broken.extend(circles(&sources, Items::All));
    assert!(broken.is_empty(), "broken walls in tests/it:\n{}", broken.join("\n"));
}

#[test]
fn every_file_is_short_named_and_reasonable() {
    let mut all = Vec::new();
    for below in ["src", "tests", "benches"] {
        all.extend(files(below).iter().flat_map(|(file, text)| breaches(&Path::new(below).join(file), text)));
    }
    assert!(all.is_empty(), "breaches of style:\n{}", all.join("\n"));
}
