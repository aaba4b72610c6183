//! The versions of the schema: files with the way up and the way down.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rust_embed::RustEmbed;

use crate::limits::MAX_MIGRATION_BYTES;
use crate::regular_file;

/// The files that come with this version of the program.
#[derive(RustEmbed)]
#[folder = "migrations/"]
struct Embedded;

/// One step of the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// When it was written, as a number: `20261126090000`.
    pub version: i64,
    /// What it does, in a few words with underscores.
    pub name: String,
    /// The way up, in SQL.
    pub up: String,
    /// The way down, if there is one.
    pub down: Option<String>,
}

impl Migration {
    /// The hash of the way up: a step that was changed after it was applied is noticed.
    pub(super) fn checksum(&self) -> String {
        blake3::hash(self.up.as_bytes()).to_hex()[..32].to_owned()
    }
}

/// Why migrations cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MigrationFileError {
    /// A name of another form.
    #[error("{0} is not a migration: name it as in 20261126090000_products.up.sql, with .down.sql for the way back")]
    Name(String),
    /// A way down alone.
    #[error("the migration {0} has a way down and no way up")]
    NoUp(i64),
    /// Two with one number.
    #[error("two migrations have the number {0}")]
    Twice(i64),
    /// A file that cannot be read.
    #[error("cannot read {0}: {1}")]
    Read(PathBuf, std::io::Error),
    /// A file that cannot be written.
    #[error("cannot write {0}: {1}")]
    Write(PathBuf, std::io::Error),
}

/// Those of this version of the program, and those of a directory of one's own, oldest first.
pub(super) fn all(directory: Option<&Path>) -> Result<Vec<Migration>, MigrationFileError> {
    let mut files = Vec::new();
    for name in Embedded::iter() {
        let text = Embedded::get(&name).map(|file| String::from_utf8_lossy(&file.data).into_owned());
        files.push((name.into_owned(), text.unwrap_or_default()));
    }
    if let Some(directory) = directory {
        let unreadable = |error| MigrationFileError::Read(directory.to_owned(), error);
        for entry in std::fs::read_dir(directory).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.extension().is_none_or(|extension| extension != "sql") {
                continue;
            }
            let text = regular_file::read_text(&path, MAX_MIGRATION_BYTES);
            files.push((name, text.map_err(|error| MigrationFileError::Read(path, error))?));
        }
    }
    put_together(files)
}

fn put_together(files: Vec<(String, String)>) -> Result<Vec<Migration>, MigrationFileError> {
    let (mut ups, mut downs) = (BTreeMap::new(), BTreeMap::new());
    for (file, text) in files {
        let parsed = parse_name(&file).ok_or_else(|| MigrationFileError::Name(file.clone()))?;
        let (version, name, is_up) = parsed;
        let before = if is_up { ups.insert(version, (name, text)) } else { downs.insert(version, (name, text)) };
        if before.is_some() {
            return Err(MigrationFileError::Twice(version));
        }
    }
    let mut migrations = Vec::new();
    for (version, (name, up)) in ups {
        let down = downs.remove(&version).map(|(_, text)| text);
        migrations.push(Migration { version, name, up, down });
    }
    match downs.keys().next() {
        Some(version) => Err(MigrationFileError::NoUp(*version)),
        None => Ok(migrations),
    }
}

/// Number, name, and whether it is the way up.
fn parse_name(file: &str) -> Option<(i64, String, bool)> {
    let (stem, is_up) = match (file.strip_suffix(".up.sql"), file.strip_suffix(".down.sql")) {
        (Some(stem), _) => (stem, true),
        (None, Some(stem)) => (stem, false),
        (None, None) => return None,
    };
    let (number, name) = stem.split_once('_')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    Some((number.parse().ok().filter(|_| is_number)?, name.to_owned(), is_up)).filter(|(_, name, _)| !name.is_empty())
}

/// Writes the two files of a new migration into a directory, and gives their paths. `version` is the moment as a
/// number.
pub fn generate(directory: &Path, version: &str, name: &str) -> Result<[PathBuf; 2], MigrationFileError> {
    let words: Vec<String> = name
        .split(|symbol: char| !symbol.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    if words.is_empty() {
        return Err(MigrationFileError::Name(name.to_owned()));
    }
    std::fs::create_dir_all(directory).map_err(|error| MigrationFileError::Write(directory.to_owned(), error))?;
    let write = |way: &str, text: &str| {
        let path = directory.join(format!("{version}_{}.{way}.sql", words.join("_")));
        let mut options = std::fs::OpenOptions::new();
        let written = options.write(true).create_new(true).open(&path);
        match written.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes())) {
            Ok(()) => Ok(path),
            Err(error) => Err(MigrationFileError::Write(path, error)),
        }
    };
    Ok([
        write("up", "-- The way up. It runs in one transaction with the note that it was applied.\n")?,
        write("down", "-- The way back: it takes away what the way up has made.\n")?,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> (String, String) {
        (name.to_owned(), format!("-- {name}"))
    }

    #[test]
    fn each_migration_of_the_program_has_a_way_up_and_a_way_back() {
        let all = all(None).unwrap();
        assert!(!all.is_empty());
        assert!(all.iter().all(|migration| migration.down.is_some() && !migration.up.is_empty()));
        assert!(all.windows(2).all(|pair| pair[0].version < pair[1].version));
    }

    #[test]
    fn migrations_are_sorted_by_their_number_and_a_wrong_set_is_an_error() {
        let good = put_together(vec![file("20_b.up.sql"), file("3_a_c.up.sql"), file("20_b.down.sql")]).unwrap();
        let named: Vec<_> = good.iter().map(|step| (step.version, step.name.as_str(), step.down.is_some())).collect();
        assert_eq!(named, [(3, "a_c", false), (20, "b", true)]);
        for bad in ["a.sql", "x_a.up.sql", "_a.up.sql", "1_.up.sql", "1.up.sql", "-1_a.up.sql"] {
            assert!(matches!(put_together(vec![file(bad)]), Err(MigrationFileError::Name(_))), "{bad}");
        }
        let twice = put_together(vec![file("1_a.up.sql"), file("1_b.up.sql")]);
        assert!(matches!(twice, Err(MigrationFileError::Twice(1))));
        assert!(matches!(put_together(vec![file("1_a.down.sql")]), Err(MigrationFileError::NoUp(1))));
    }

    #[test]
    fn a_generated_migration_can_be_read_and_is_not_written_over() {
        let directory = tempfile::tempdir().unwrap();
        let paths = generate(directory.path(), "20270101000000", "Add an index!").unwrap();
        assert!(paths[0].ends_with("20270101000000_add_an_index.up.sql"), "{paths:?}");
        assert_eq!(all(Some(directory.path())).unwrap().last().unwrap().name, "add_an_index");
        let again = generate(directory.path(), "20270101000000", "add an index");
        assert!(matches!(again, Err(MigrationFileError::Write(..))));
        assert!(matches!(generate(directory.path(), "1", "../"), Err(MigrationFileError::Name(_))));
    }
}
