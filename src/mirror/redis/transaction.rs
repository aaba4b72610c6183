//! What is written into Redis at once: rows, entries of the stream and the position, in one `MULTI`. Redis is looked at
//! before ([`Seen`]), so that none of its commands can fail alone, and rejects it if something has changed since.

use std::fmt::{Display, Write};

use redis::{Cmd, Pipeline, cmd};

use super::keys::{Keys, RowName};
use super::seen::{Seen, Token};
use crate::domain::clock::Timestamp;
use crate::limits::{REDIS_OWNED, REDIS_STREAM_ENTRIES};
use crate::mirror::position::Position;

/// The position that a transaction leaves.
#[derive(Clone, Copy, Debug)]
pub(super) enum Leaves {
    /// The one that it found.
    Same,
    /// The next one.
    Next(Position, Timestamp),
    /// The first one after a copy of everything.
    Rebuilt(Position, Timestamp),
}

/// A duration as Redis takes it.
pub(super) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Words of a command that are put together: one text, and where each ends.
#[derive(Debug, Default)]
pub(super) struct Words {
    text: String,
    ends: Vec<usize>,
}

impl Words {
    /// Adds a word.
    pub(super) fn add(&mut self, word: impl Display) -> &mut Self {
        // Writing to a text does not fail.
        let _ = write!(self.text, "{word}");
        self.ends.push(self.text.len());
        self
    }

    /// Adds a name with its value; none is an empty text.
    pub(super) fn field(&mut self, name: &str, value: Option<&dyn Display>) {
        self.add(name);
        match value {
            Some(value) => self.add(value),
            None => self.add(""),
        };
    }

    fn append_to(&self, command: &mut Cmd) {
        let mut begin = 0;
        for &end in &self.ends {
            command.arg(&self.text[begin..end]);
            begin = end;
        }
    }
}

/// A transaction that is put together.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    rows: Vec<Row>,
    entries: Vec<Entry>,
}

/// A row: commands that are put aside together if something is in the way of one of them.
#[derive(Debug)]
pub(super) struct Row {
    name: RowName,
    writes: Vec<Writing>,
}

#[derive(Debug)]
struct Writing {
    command: Cmd,
    key: String,
    /// The type that the value under the key must be of, if there is one.
    kind: Option<&'static str>,
}

/// An entry of the stream.
#[derive(Debug)]
struct Entry {
    sequence: u64,
    index: u64,
    fields: Words,
}

impl Row {
    /// Adds a command: its name, its key, and what comes after it.
    pub(super) fn run(&mut self, name: &'static str, key: impl Display, rest: impl FnOnce(&mut Words)) {
        let (key, mut words) = (key.to_string(), Words::default());
        rest(&mut words);
        let mut command = cmd(name);
        command.arg(&key);
        words.append_to(&mut command);
        // The other commands replace or remove what is there, whatever it is.
        let kind = match name {
            "HSET" | "HDEL" => Some("hash"),
            "ZADD" | "ZREM" => Some("zset"),
            _ => None,
        };
        self.writes.push(Writing { command, key, kind });
    }
}

impl Transaction {
    /// Adds a row.
    pub(super) fn row(&mut self, name: RowName, commands: impl FnOnce(&mut Row)) {
        let mut row = Row { name, writes: Vec::new() };
        commands(&mut row);
        self.rows.push(row);
    }

    /// Adds an entry of the stream: of a record, and of a change in it, counted from 1.
    pub(super) fn entry(&mut self, sequence: u64, index: u64, fields: impl FnOnce(&mut Words)) {
        let mut entry = Entry { sequence, index, fields: Words::default() };
        fields(&mut entry.fields);
        self.entries.push(entry);
    }

    /// The keys whose values must be of a certain type.
    pub(super) fn keys(&self) -> Vec<&str> {
        let typed = self.rows.iter().flat_map(|row| &row.writes).filter(|write| write.kind.is_some());
        typed.map(|write| write.key.as_str()).collect()
    }

    /// For each row what is in its way, if anything is.
    pub(super) fn obstacles(&self, seen: &Seen) -> Vec<Option<String>> {
        let mut types = seen.types.iter();
        let mut obstacle = |write: &Writing| {
            let (kind, found) = (write.kind?, types.next()?);
            let is_foreign = found != kind && found != "none";
            is_foreign.then(|| format!("WRONGTYPE {} is a {found} of somebody else", write.key))
        };
        // All types are gone through, and the first obstacle of a row is reported.
        self.rows.iter().map(|row| row.writes.iter().filter_map(&mut obstacle).reduce(|first, _| first)).collect()
    }

    /// The names of the rows that have an obstacle.
    pub(super) fn names(&self, obstacles: &[Option<String>]) -> Vec<String> {
        let rows = self.rows.iter().zip(obstacles).filter(|(_, obstacle)| obstacle.is_some());
        rows.map(|(row, _)| row.name.to_string()).collect()
    }

    /// The commands, all or none of which are run. Rows with an obstacle are put aside instead of being written.
    pub(super) fn commands(
        self,
        keys: &Keys,
        token: &Token,
        seen: &Seen,
        obstacles: Vec<Option<String>>,
        leaves: Leaves,
    ) -> Pipeline {
        let mut all = Pipeline::with_capacity(2 * self.rows.len() + self.entries.len() + 5);
        all.atomic();
        all.cmd("SET").arg(keys.owner().to_string()).arg(&token.text).arg("PX").arg(millis(REDIS_OWNED));
        let rejected = keys.rejected().to_string();
        for (row, obstacle) in self.rows.into_iter().zip(obstacles) {
            if let Some(why) = obstacle {
                all.cmd("HSET").arg(&rejected).arg(row.name.to_string()).arg(why);
                continue;
            }
            for write in row.writes {
                all.add_command(write.command);
            }
            if seen.rejected > 0 {
                all.cmd("HDEL").arg(&rejected).arg(row.name.to_string());
            }
        }
        let offset = offset(seen, &self.entries, leaves);
        for Entry { sequence, index, fields } in self.entries {
            let id = (sequence + offset, index);
            // A large record that was written in part, when the connection was lost, begins again.
            if seen.last_entry < Some(id) {
                all.add_command(add(keys, id, &fields));
            }
        }
        leave(&mut all, keys, leaves, offset, seen.stream_offset);
        all
    }
}

/// What is added to sequences. Ids of the stream only grow, also over a copy of everything from a history that is
/// shorter, or where somebody else added an entry: consumers need not notice.
fn offset(seen: &Seen, entries: &[Entry], leaves: Leaves) -> u64 {
    let beyond = |sequence: u64| seen.last_entry.map_or(0, |(last, _)| (last + 1).saturating_sub(sequence));
    match (leaves, entries.first()) {
        (Leaves::Rebuilt(position, _), _) => beyond(position.sequence),
        (_, Some(first)) if seen.last_entry.is_some_and(|(last, _)| last > first.sequence + seen.stream_offset) => {
            beyond(first.sequence)
        }
        _ => seen.stream_offset,
    }
}

fn add(keys: &Keys, (first, second): (u64, u64), fields: &Words) -> Cmd {
    let mut add = cmd("XADD");
    add.arg(keys.events().to_string()).arg("MAXLEN").arg("~").arg(REDIS_STREAM_ENTRIES);
    add.arg(format!("{first}-{second}"));
    fields.append_to(&mut add);
    add
}

/// Leaves the position.
fn leave(all: &mut Pipeline, keys: &Keys, leaves: Leaves, offset: u64, known_offset: u64) {
    let key = keys.position().to_string();
    if offset != known_offset {
        all.cmd("HSET").arg(&key).arg("stream_offset").arg(offset);
    }
    let (position, at) = match leaves {
        Leaves::Same => return,
        Leaves::Next(position, at) | Leaves::Rebuilt(position, at) => (position, at.to_string()),
    };
    let history = position.history.to_string();
    if matches!(leaves, Leaves::Rebuilt(..)) {
        let mut fields = Words::default();
        fields.add("history").add(&history).add("sequence").add(position.sequence);
        fields.add("at").add(&at).add("type").add("mirror_rebuilt");
        all.cmd("DEL").arg(&key);
        all.cmd("HSET").arg(&key).arg("stream_offset").arg(offset).arg("sweeping").arg(1);
        all.add_command(add(keys, (position.sequence + offset, 1), &fields));
    }
    all.cmd("HSET").arg(&key).arg("history").arg(history).arg("sequence").arg(position.sequence).arg("at").arg(at);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::change::HistoryId;
    use crate::domain::order::OrderId;

    fn seen(last_entry: Option<(u64, u64)>, types: &[&str]) -> Seen {
        let types = types.iter().map(|kind| (*kind).to_owned()).collect();
        Seen { known: Default::default(), is_sweeping: false, rejected: 0, stream_offset: 10, last_entry, types }
    }

    #[test]
    fn ids_of_the_stream_only_grow() {
        let entry = |sequence, index| Entry { sequence, index, fields: Words::default() };
        let position = Position { history: HistoryId::default(), sequence: 7 };
        let at = Timestamp::from_millis(0);
        let next =
            |last, sequence, index| offset(&seen(last, &[]), &[entry(sequence, index)], Leaves::Next(position, at));
        assert_eq!(next(None, 5, 1), 10);
        assert_eq!(next(Some((15, 2)), 5, 3), 10);
        // Amid a record that was written in part.
        assert_eq!(next(Some((15, 2)), 5, 1), 10);
        assert_eq!(next(Some((99, 0)), 5, 1) + 5, 100);
        let rebuilt = |last| offset(&seen(last, &[]), &[], Leaves::Rebuilt(position, at));
        assert_eq!((rebuilt(None), rebuilt(Some((3, 1))), rebuilt(Some((20, 1)))), (0, 0, 14));
    }

    #[test]
    fn a_row_is_put_aside_with_the_first_thing_in_its_way_and_alone() {
        let mut transaction = Transaction::default();
        for id in 1..=3 {
            transaction.row(RowName::Order(OrderId(id)), |row| {
                row.run("HSET", format!("order:{id}"), |words| words.field("id", Some(&id)));
                row.run("SET", format!("job:{id}"), |words| _ = words.add(id));
                row.run("ZADD", "all", |words| _ = words.add(id).add(id));
            });
        }
        assert_eq!(transaction.keys(), ["order:1", "all", "order:2", "all", "order:3", "all"]);
        let obstacles = transaction.obstacles(&seen(None, &["hash", "zset", "list", "set", "none", "none"]));
        assert_eq!(obstacles, [None, Some("WRONGTYPE order:2 is a list of somebody else".to_owned()), None]);
        assert_eq!(transaction.names(&obstacles), ["order:2"]);
    }
}
