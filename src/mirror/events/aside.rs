//! Events that the receiver rejected: put aside in a file, a line of JSON each, so that they can be posted by hand.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::domain::clock::Timestamp;
use crate::limits::EVENTS_ASIDE_BYTES;
use crate::regular_file;

use super::event::Event;

/// The file in the data directory, and the one before it.
pub(in crate::mirror) const FILE_NAME: &str = "events-rejected.jsonl";
const OLD_FILE_NAME: &str = "events-rejected.old.jsonl";

/// The events that were put aside; none are kept for a store without a directory.
#[derive(Debug)]
pub(super) struct Aside {
    data_dir: Option<PathBuf>,
    most: u64,
}

impl Aside {
    pub(super) fn new(data_dir: Option<&Path>) -> Self {
        Self { data_dir: data_dir.map(Path::to_owned), most: EVENTS_ASIDE_BYTES }
    }

    /// Adds an event with what the receiver said. A full file replaces the one before it.
    pub(super) fn put(&self, event: &Event, body: &[u8], error: &str, now: Timestamp) -> io::Result<()> {
        let Some(directory) = &self.data_dir else { return Ok(()) };
        let file = directory.join(FILE_NAME);
        let (error, body) = (serde_json::to_string(error)?, String::from_utf8_lossy(body));
        let line = format!("{{\"id\":\"{}\",\"rejectedAt\":\"{now}\",\"error\":{error},\"event\":{body}}}\n", event.id);
        let mut open = open(&file)?;
        if open.metadata()?.len() + line.len() as u64 > self.most {
            fs::rename(&file, directory.join(OLD_FILE_NAME))?;
            open = self::open(&file)?;
        }
        open.write_all(line.as_bytes())
    }
}

fn open(file: &Path) -> io::Result<File> {
    regular_file::open_own(file, OpenOptions::new().append(true).create(true), 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::change::HistoryId;
    use crate::domain::event::ProductEventType;
    use crate::domain::product::Product;
    use crate::mirror::events::event::Subject;

    #[test]
    fn what_is_put_aside_is_whole_lines_in_two_bounded_files() {
        let directory = tempfile::tempdir().unwrap();
        let aside = Aside { most: 300, ..Aside::new(Some(directory.path())) };
        let (at, history) = (Timestamp::from_millis(0), HistoryId::default());
        for number in 0..9 {
            let subject = Subject::Product(ProductEventType::SoldOut, Box::new(Product::example(1, 1)));
            let event = Event { id: format!("evt_{number}"), at, history, sequence: 1, subject };
            aside.put(&event, br#"{"type":"product.sold_out"}"#, "it said \"no\"", at).unwrap();
        }
        let texts = [OLD_FILE_NAME, FILE_NAME].map(|name| fs::read_to_string(directory.path().join(name)).unwrap());
        assert!(texts.iter().all(|text| text.len() <= 300));
        let lines: Vec<serde_json::Value> =
            texts.iter().flat_map(|text| text.lines()).map(|line| serde_json::from_str(line).unwrap()).collect();
        let last = lines.last().unwrap();
        assert_eq!((&last["id"], &last["event"]["type"]), (&"evt_8".into(), &"product.sold_out".into()));
        assert_eq!(last["error"], "it said \"no\"");
        assert!(lines.len() > 2);
    }
}
