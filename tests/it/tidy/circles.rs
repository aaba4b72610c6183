//! No circle between files: there is an order in which each file can be understood after those that it uses.
//!
//! A file uses another one when its code names something that is defined there. To find where, a path is resolved
//! from module to module as the compiler does it, through `use`, renames and globs, to the file that defines the first
//! item on the path. Hence:
//!
//! - `pub use child::Item` in a parent leaves `Item` defined in the child. Another child that imports it through the
//!   parent uses the child that defines it, not the parent.
//! - `mod child;` and a `pub use` of something below are not uses: the first file of a folder may list its contents. If
//!   its own code names such an item too, that is a use. A private `use` of an item always is one.
//! - A path that ends at a module is not a use. What is named through the module is.
//! - So a child that names what its parent defines makes a circle with a parent that names what the child defines.
//!
//! Two things are not seen: what a macro defines (a path to it counts as one to the file of the module that the path
//! leads to), and in which file an `impl` has its methods.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use super::source::{Import, Items, Module, Source};

type ModulePath = Vec<String>;

/// Names that lead to further names: more than any path has, fewer than a circle of imports.
const MOST_STEPS: usize = 16;

/// The path of the module that a file is, from its path below the directory of the crate.
pub(crate) fn module_path(file: &Path) -> ModulePath {
    let names: ModulePath = file.with_extension("").iter().map(|name| name.to_string_lossy().into_owned()).collect();
    if names == ["lib"] || names == ["main"] { ModulePath::new() } else { names }
}

/// Files of one crate with their modules. The binary, whose root is `main.rs` beside a `lib.rs`, has no files but that,
/// and is left out: nobody can import from it.
#[derive(Debug)]
struct Crate {
    files: Vec<PathBuf>,
    modules: BTreeMap<ModulePath, (usize, Module)>,
}

/// Where a path leads.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    Module(ModulePath),
    /// Something that this file defines.
    Item(usize),
}

/// A file, the one that it uses, and by which path.
type Uses = BTreeMap<usize, BTreeMap<usize, String>>;

impl Crate {
    /// Reads the files; those that are no Rust are found elsewhere.
    fn read(sources: &[(PathBuf, String)], items: Items) -> Self {
        let has_lib = sources.iter().any(|(file, _)| file == Path::new("lib.rs"));
        let (mut files, mut modules) = (Vec::new(), BTreeMap::new());
        for (file, text) in sources.iter().filter(|(file, _)| !(has_lib && file == Path::new("main.rs"))) {
            let Ok(source) = Source::read(text, items) else { continue };
            for module in source.modules {
                let path = [module_path(file), module.inside.clone()].concat();
                modules.insert(path, (files.len(), module));
            }
            files.push(file.clone());
        }
        Self { files, modules }
    }

    /// Where a path leads that is written in `module`; None where that is another crate, or a name of a function's own.
    fn resolve(&self, module: &[String], path: &[String], steps: usize) -> Option<Target> {
        let steps = steps.checked_sub(1)?;
        let (first, rest) = path.split_first()?;
        let (mut target, mut rest) = match first.as_str() {
            "crate" => (Target::Module(ModulePath::new()), rest),
            "self" => (Target::Module(module.to_vec()), rest),
            "super" => (Target::Module(module.split_last()?.1.to_vec()), rest),
            name => (self.step(module, name, steps)?, rest),
        };
        while let (Target::Module(module), Some((name, after))) = (&target, rest.split_first()) {
            target = match name.as_str() {
                "super" => Target::Module(module.split_last()?.1.to_vec()),
                name => match self.step(module, name, steps) {
                    Some(next) => next,
                    None => Target::Item(self.modules.get(module)?.0),
                },
            };
            rest = after;
        }
        Some(target)
    }

    /// What a name in a module is, if the module has it.
    fn step(&self, path: &[String], name: &str, steps: usize) -> Option<Target> {
        let steps = steps.checked_sub(1)?;
        let child = [path, &[name.to_owned()]].concat();
        if self.modules.contains_key(&child) {
            return Some(Target::Module(child));
        }
        let (file, module) = self.modules.get(path)?;
        if module.items.contains(name) {
            return Some(Target::Item(*file));
        }
        // A `use` of a name by itself would lead back here.
        let lead_on = |import: &&Import| import.path.segments != [name];
        if let Some(import) = module.imports.iter().filter(lead_on).find(|import| import.name == name) {
            return self.resolve(path, &import.path.segments, steps);
        }
        let globs = module.imports.iter().filter(|import| import.name == "*");
        let mut modules = globs.filter_map(|glob| match self.resolve(path, &glob.path.segments, steps) {
            Some(Target::Module(module)) if module != path => Some(module),
            _ => None,
        });
        modules.find_map(|module| self.step(&module, name, steps))
    }

    /// What each file uses, itself left out.
    fn uses(&self) -> Uses {
        let mut uses = Uses::new();
        for (path, (file, module)) in &self.modules {
            let mut add = |line: usize, segments: &[String], to: usize| {
                let to_here = || format!("line {line}: `{}`", segments.join("::"));
                if to != *file {
                    uses.entry(*file).or_default().entry(to).or_insert_with(to_here);
                }
            };
            for import in &module.imports {
                let segments = &import.path.segments;
                let Some(to) = self.imported_from(path, import) else { continue };
                let is_below = module_path(&self.files[to]).starts_with(path);
                if !(import.is_public && is_below) {
                    add(import.path.line, segments, to);
                }
            }
            for used in &module.paths {
                if let Some(Target::Item(to)) = self.resolve(path, &used.segments, MOST_STEPS) {
                    add(used.line, &used.segments, to);
                }
            }
        }
        uses
    }

    /// The file that defines what an import brings in. Everything of a module counts as defined by the module's file.
    fn imported_from(&self, module: &[String], import: &Import) -> Option<usize> {
        match self.resolve(module, &import.path.segments, MOST_STEPS)? {
            Target::Item(file) => Some(file),
            Target::Module(all) if import.name == "*" => Some(self.modules.get(&all)?.0),
            Target::Module(_) => None,
        }
    }

    fn describe(&self, circle: &[usize], uses: &Uses) -> String {
        let mut text = String::new();
        for (at, file) in circle.iter().enumerate() {
            let next = circle[(at + 1) % circle.len()];
            text += &format!("{} ({}) → ", self.files[*file].display(), uses[file][&next]);
        }
        text + &self.files[circle[0]].display().to_string()
    }
}

/// The shortest way from a file back to itself.
fn circle_through(start: usize, uses: &Uses) -> Option<Vec<usize>> {
    let mut came_from = BTreeMap::new();
    let mut next = VecDeque::from([start]);
    while let Some(file) = next.pop_front() {
        for to in uses.get(&file).into_iter().flat_map(BTreeMap::keys) {
            if *to == start {
                let mut circle = vec![file];
                while let Some(before) = came_from.get(&circle[circle.len() - 1]) {
                    circle.push(*before);
                }
                circle.reverse();
                return Some(circle);
            }
            if !came_from.contains_key(to) {
                came_from.insert(*to, file);
                next.push_back(*to);
            }
        }
    }
    None
}

/// The shortest circle through each file that is on one, a sentence each; every circle once.
pub(crate) fn circles(sources: &[(PathBuf, String)], items: Items) -> Vec<String> {
    let all = Crate::read(sources, items);
    let uses = all.uses();
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for file in 0..all.files.len() {
        let Some(circle) = circle_through(file, &uses) else { continue };
        if seen.insert(circle.iter().copied().collect::<BTreeSet<_>>()) {
            found.push(all.describe(&circle, &uses));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles_in(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<_> = files.iter().map(|(file, text)| (PathBuf::from(file), (*text).to_owned())).collect();
        circles(&sources, Items::Shipped)
    }

    const BROKEN: &[&[(&str, &str)]] = &[
        // Neighbours.
        &[("a/b.rs", "use super::c::C; pub struct B;"), ("a/c.rs", "use super::b::B; pub struct C;")],
        &[("a.rs", "pub fn f() { crate::b::g() }"), ("b.rs", "pub fn g() { crate::a::f() }")],
        // A child that uses its parent, which uses the child.
        &[("a.rs", "mod b; use b::B; pub struct A(B);"), ("a/b.rs", "use super::A; pub struct B; fn f(a: A) {}")],
        &[("a.rs", "mod b; pub struct A; fn f() { b::g() }"), ("a/b.rs", "pub fn g() { super::A; }")],
        &[("a.rs", "mod b; pub struct A; fn f() { self::b::g() }"), ("a/b.rs", "use crate::a::A; pub fn g() {}")],
        // The parent passes it on and uses it, too.
        &[("a.rs", "mod b; pub use b::B; pub struct A(B);"), ("a/b.rs", "use super::A; pub struct B;")],
        &[
            ("a.rs", "mod b; pub(crate) use b::g as h; pub const A: u8 = h();"),
            ("a/b.rs", "use super::A; pub fn g() {}"),
        ],
        // By way of the parent, of another name, of a glob and of a module.
        &[
            ("a.rs", "mod b; mod c; pub use b::B; pub use c::C as D;"),
            ("a/b.rs", "use super::D; pub struct B;"),
            ("a/c.rs", "use super::B; pub struct C;"),
        ],
        &[
            ("a.rs", "mod b; mod c; pub use b::*;"),
            ("a/b.rs", "pub struct B(super::c::C);"),
            ("a/c.rs", "use super::B; pub struct C;"),
        ],
        &[("a.rs", "use crate::b; pub fn f() { b::g() }"), ("b.rs", "use crate::a as x; pub fn g() { x::f() }")],
        &[("a.rs", "mod b; pub struct A; fn f() { b::g() }"), ("a/b.rs", "use super::*; pub fn g() {}")],
        // In an inline module, in a macro, and round three files.
        &[("a.rs", "mod m { use crate::b::B; } pub struct A;"), ("b.rs", "use crate::a::A; pub struct B;")],
        &[("a.rs", "fn f() { json!({ \"b\": crate::b::g() }) }"), ("b.rs", "fn g() { crate::a::f() }")],
        &[
            ("a.rs", "use crate::b::B; struct A;"),
            ("b.rs", "use crate::c::C; struct B;"),
            ("c.rs", "use crate::a::A; struct C;"),
        ],
        &[
            ("a.rs", "macro_rules! m { () => {} } pub(crate) use m; use crate::b::B;"),
            ("b.rs", "use crate::a::m; struct B;"),
        ],
        // What a macro defines counts for the module that is asked for it.
        &[("a.rs", "id!(A); use crate::b::B;"), ("b.rs", "use crate::a::A; struct B;")],
    ];

    const WHOLE: &[&[(&str, &str)]] = &[
        // The parent lists what is in the folder, and children use it.
        &[("a.rs", "mod b; pub use b::B; pub struct A;"), ("a/b.rs", "use super::A; pub struct B;")],
        &[("a.rs", "mod b; use b::B; pub struct A(B);"), ("a/b.rs", "pub struct B;")],
        // What the parent passes on is its sibling's.
        &[
            ("a.rs", "mod b; mod c; pub use b::B; pub use c::C; fn f(b: u8) { self::c::g() }"),
            ("a/b.rs", "use super::C; pub struct B;"),
            ("a/c.rs", "pub struct C; pub fn g() {}"),
        ],
        // A path that leads through a module, or ends at one.
        &[
            ("a.rs", "mod b; mod c; use b::B; struct A;"),
            ("a/b.rs", "use super::c; struct B(c::C);"),
            ("a/c.rs", "struct C;"),
        ],
        // Tests may look anywhere; comments and strings say nothing.
        &[("a.rs", "use crate::b::B; struct A;"), ("b.rs", "struct B; #[cfg(test)] mod tests { use crate::a::A; }")],
        &[
            ("a.rs", "use crate::b::B; struct A;"),
            ("b.rs", "struct B; // crate::a::A\nconst C: &str = \"crate::a::A\";"),
        ],
        // Fields, variables and methods that are called like an item.
        &[
            ("a.rs", "mod b; pub use b::open; pub struct A { open: u8 } fn f(a: A) { a.open() }"),
            ("a/b.rs", "use super::A; pub fn open() {}"),
        ],
        // A name of another crate, and the binary.
        &[("a.rs", "use crate::b::B; use a::A;"), ("b.rs", "use std::a::A; struct B;")],
        &[("lib.rs", "mod a;"), ("main.rs", "use flashsale::a::A;"), ("a.rs", "use crate::B; pub struct A;")],
        // A module beside the macro that it is used by.
        &[("a.rs", "use self::a::A; mod a { pub struct A; }")],
    ];

    #[test]
    fn a_circle_is_caught() {
        for files in BROKEN {
            assert_eq!(circles_in(files).len(), 1, "{files:?}: {:?}", circles_in(files));
        }
    }

    #[test]
    fn files_without_a_circle_are_left_alone() {
        for files in WHOLE {
            assert_eq!(circles_in(files), [""; 0], "{files:?}");
        }
    }

    #[test]
    fn a_circle_is_described_by_its_files_and_lines() {
        let files = [("a.rs", "use crate::b::B;\nstruct A;"), ("b.rs", "struct B(\ncrate::a::A\n);")];
        assert_eq!(circles_in(&files), ["a.rs (line 1: `crate::b::B`) → b.rs (line 2: `crate::a::A`) → a.rs"]);
    }
}
