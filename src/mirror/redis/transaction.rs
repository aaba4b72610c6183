//! What Redis is asked to do at once: one script, which checks first that this server may.

use std::fmt::{Display, Write};

use redis::{Cmd, cmd};

use super::keys::{Keys, RowName};
use crate::domain::clock::Timestamp;
use crate::limits::{REDIS_OWNED, REDIS_REJECTED, REDIS_STREAM_ENTRIES};
use crate::mirror::position::Position;

const OWN: &str = concat!(include_str!("kinds.lua"), include_str!("own.lua"));
const TRANSACTION: &str = concat!(include_str!("kinds.lua"), include_str!("transaction.lua"));

/// The name of this server in Redis.
#[derive(Clone, Debug)]
pub(super) struct Token {
    /// The store's history, and what is random.
    pub(super) text: String,
    /// How the token of a server begins whose place this one may take; empty once it has been in its place.
    pub(super) follows: String,
}

/// How far the mirror is, as Redis has it: history and sequence, empty for none.
pub(super) type Known = [String; 2];

/// The position that a transaction leaves.
#[derive(Clone, Copy, Debug)]
pub(super) enum Leaves {
    /// The one that it found.
    Same,
    /// The next one.
    Next(Position, Timestamp),
    /// The one that it found, amid the changes of a record, which may be in the stream already.
    Amid,
    /// The next one, with the last changes of such a record.
    End(Position, Timestamp),
    /// The first one after a copy of everything.
    Rebuilt(Position, Timestamp),
}

fn script(text: &str, keys: &Keys, token: &Token) -> Cmd {
    let mut command = cmd("EVAL");
    command.arg(text).arg(4);
    for key in [keys.owner(), keys.position(), keys.rejected(), keys.events()] {
        command.arg(key.to_string());
    }
    command.arg(&token.text).arg(millis(REDIS_OWNED));
    command
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Takes the keys for this server.
pub(super) fn own(keys: &Keys, token: &Token) -> Cmd {
    let mut command = script(OWN, keys, token);
    command.arg(&token.follows);
    command
}

/// A transaction that is put together: rows first, then entries of the stream.
#[derive(Debug)]
pub(super) struct Transaction {
    command: Cmd,
    words: Words,
    has_entries: bool,
}

/// The words of one command.
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

    /// Appends their number and the words to a command, and forgets them.
    fn append(&mut self, command: &mut Cmd) {
        command.arg(self.ends.len());
        let mut begin = 0;
        for &end in &self.ends {
            command.arg(&self.text[begin..end]);
            begin = end;
        }
        self.text.clear();
        self.ends.clear();
    }
}

impl Transaction {
    /// A transaction of a server that knows how far Redis is.
    pub(super) fn new(keys: &Keys, token: &Token, known: &Known, leaves: Leaves) -> Self {
        let mut command = script(TRANSACTION, keys, token);
        command.arg(&known[..]).arg(REDIS_REJECTED).arg(REDIS_STREAM_ENTRIES);
        match leaves {
            Leaves::Same | Leaves::Amid => command.arg(&["", "", ""]),
            Leaves::Next(position, at) | Leaves::End(position, at) | Leaves::Rebuilt(position, at) => {
                command.arg(position.history.to_string()).arg(position.sequence).arg(at.to_string())
            }
        };
        command.arg(match leaves {
            Leaves::Same | Leaves::Next(..) => "",
            Leaves::Amid | Leaves::End(..) => "part",
            Leaves::Rebuilt(..) => "rebuilt",
        });
        Self { command, words: Words::default(), has_entries: false }
    }

    /// Adds a row: commands that are put aside together if Redis rejects one of them.
    pub(super) fn row(&mut self, name: RowName, commands: impl FnOnce(&mut Row<'_>)) {
        self.command.arg(name.to_string());
        commands(&mut Row(self));
        self.command.arg(0);
    }

    /// Adds an entry of the stream: of a record, and of a change in it, counted from 1.
    pub(super) fn entry(&mut self, sequence: u64, index: usize, fields: impl FnOnce(&mut Words)) {
        if !self.has_entries {
            self.has_entries = true;
            self.command.arg("");
        }
        self.command.arg(sequence).arg(index);
        fields(&mut self.words);
        self.words.append(&mut self.command);
    }

    /// The command that does it.
    pub(super) fn command(mut self) -> Cmd {
        if !self.has_entries {
            self.command.arg("");
        }
        self.command.arg("");
        self.command
    }
}

/// The commands of a row.
#[derive(Debug)]
pub(super) struct Row<'t>(&'t mut Transaction);

impl Row<'_> {
    /// Adds a command: its name, its key, and what comes after it.
    pub(super) fn run(&mut self, name: &str, key: impl Display, rest: impl FnOnce(&mut Words)) {
        let Transaction { command, words, .. } = &mut *self.0;
        rest(words.add(name).add(key));
        words.append(command);
    }
}
