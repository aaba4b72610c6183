//! What commands for a running server share: where it is, and how its responses are shown.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::client::{Call, Calls, Client, ClientError, Reply};
use crate::config;
use crate::limits::MAX_PAGE;

use super::output::{say, write_more, write_out};
use super::run::CommandError;
use super::table::{Column, Members, Table, plain, safe_json, shown};
use super::values::within;

// Where the server is, and how its responses are shown.
#[derive(Debug, Args)]
pub(super) struct RemoteArgs {
    /// URL of the server; if unset, http:// with --host and --port
    #[arg(long, global = true, value_name = "URL")]
    server: Option<String>,
    /// Host of the server
    #[arg(long, global = true, env = "HOST", default_value = "127.0.0.1")]
    host: String,
    /// Port of the server
    #[arg(long, global = true, env = "PORT", default_value_t = 3000, value_parser = within::<u16>(0..=u16::MAX))]
    port: u16,
    /// Admin token of the server
    #[arg(
        long,
        visible_alias = "token",
        global = true,
        env = "ADMIN_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    admin_token: Option<String>,
    /// File that holds this token; use it instead of --admin-token
    #[arg(long, global = true, env = "ADMIN_TOKEN_FILE", value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
    /// Print the JSON of the API instead of text for people
    #[arg(long, global = true)]
    json: bool,
}

impl RemoteArgs {
    /// The server; nothing is sent yet.
    pub(super) fn connect(self) -> Result<Remote, CommandError> {
        let token = config::secret("ADMIN_TOKEN", self.admin_token, self.admin_token_file)?;
        let server = self.server.unwrap_or_else(|| url(&self.host, self.port));
        let calls = Calls::new(Client::new(&server, token.as_ref())?)?;
        Ok(Remote { calls, json: self.json })
    }
}

/// The URL at which a server that listens on `host` is found on the same machine.
fn url(host: &str, port: u16) -> String {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) if address.is_unspecified() => format!("http://127.0.0.1:{port}"),
        Ok(IpAddr::V6(address)) if address.is_unspecified() => format!("http://[::1]:{port}"),
        Ok(IpAddr::V6(address)) => format!("http://[{address}]:{port}"),
        _ => format!("http://{host}:{port}"),
    }
}

// How much of a list is shown.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Maximum number of rows
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = within::<u64>(1..=u64::MAX))]
    limit: u64,
    /// Show all rows
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

/// A running server.
#[derive(Debug)]
pub(super) struct Remote {
    calls: Calls,
    /// Whether JSON is printed.
    pub(super) json: bool,
}

impl Remote {
    /// The server's URL.
    pub(super) fn server(&self) -> &str {
        self.calls.server()
    }

    /// Requests to it, for a room that makes them itself.
    pub(super) const fn calls(&self) -> &Calls {
        &self.calls
    }

    /// Sends a request.
    pub(super) fn call(&self, call: &Call) -> Result<Reply, CommandError> {
        self.calls.call(call).map_err(|error| self.failed(error))
    }

    /// Sends a request, and gives the JSON of the response.
    pub(super) fn value(&self, call: &Call) -> Result<Value, CommandError> {
        self.parsed(&self.call(call)?)
    }

    /// The JSON of a response.
    pub(super) fn parsed<T: serde::de::DeserializeOwned>(&self, reply: &Reply) -> Result<T, CommandError> {
        serde_json::from_slice(&reply.body).map_err(|_| self.failed(ClientError::NotTheApi))
    }

    fn failed(&self, error: ClientError) -> CommandError {
        CommandError::Server(self.server().to_owned(), error)
    }

    /// Prints a response as JSON.
    pub(super) fn print_json(&self, reply: &Reply) -> Result<(), CommandError> {
        let text = std::str::from_utf8(&reply.body).map_err(|_| self.failed(ClientError::NotTheApi))?;
        if text.is_empty() { Ok(()) } else { say(&safe_json(text)) }
    }

    /// Prints a response as JSON, or its members under each other.
    pub(super) fn print_members(&self, call: &Call) -> Result<(), CommandError> {
        let reply = self.call(call)?;
        if self.json {
            return self.print_json(&reply);
        }
        write_out(self.parsed::<Members>(&reply)?.block().as_bytes())
    }

    /// Does something, and prints the response as JSON, or else a sentence about it.
    pub(super) fn act(&self, call: &Call, done: impl FnOnce(&Value) -> String) -> Result<(), CommandError> {
        let reply = self.call(call)?;
        if self.json {
            return self.print_json(&reply);
        }
        let value = if reply.body.is_empty() { Value::Null } else { self.parsed(&reply)? };
        say(&done(&value))
    }

    /// Prints a list without pages.
    pub(super) fn print_all(&self, call: &Call, columns: &'static [Column]) -> Result<(), CommandError> {
        let reply = self.call(call)?;
        if self.json {
            return self.print_json(&reply);
        }
        let rows: Vec<Value> = self.parsed(&reply)?;
        write_out(Table::new(columns).page(&rows).as_bytes())
    }

    /// Prints a list page by page, so that it may be of any length.
    pub(super) fn print_list(
        &self,
        call: Call,
        list: &ListArgs,
        columns: &'static [Column],
    ) -> Result<(), CommandError> {
        let mut left = if list.all { u64::MAX } else { list.limit };
        let mut printer = Printer::new(self.json, columns);
        let size = left.min(MAX_PAGE as u64);
        for page in self.calls.pages(call.query([("limit", Some(size.to_string()))])) {
            let rows: Vec<Box<RawValue>> = self.parsed(&page.map_err(|error| self.failed(error))?)?;
            let rows = &rows[..rows.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
            left -= rows.len() as u64;
            if !printer.print(rows)? {
                return Ok(());
            }
            if left == 0 {
                break;
            }
        }
        printer.end()
    }
}

/// Prints the rows of a list as they come.
#[derive(Debug)]
struct Printer {
    table: Option<Table>,
    is_begun: bool,
}

impl Printer {
    fn new(json: bool, columns: &'static [Column]) -> Self {
        Self { table: (!json).then(|| Table::new(columns)), is_begun: false }
    }

    /// False when nobody reads on.
    fn print(&mut self, rows: &[Box<RawValue>]) -> Result<bool, CommandError> {
        if let Some(table) = &mut self.table {
            let rows: Result<Vec<Value>, _> = rows.iter().map(|row| serde_json::from_str(row.get())).collect();
            return write_more(table.page(&rows.unwrap_or_default()).as_bytes());
        }
        let mut out = String::new();
        for row in rows {
            out.push(if std::mem::replace(&mut self.is_begun, true) { ',' } else { '[' });
            out.push_str(&safe_json(row.get()));
        }
        write_more(out.as_bytes())
    }

    fn end(&self) -> Result<(), CommandError> {
        match (&self.table, self.is_begun) {
            (Some(_), _) => Ok(()),
            (None, true) => write_out(b"]\n"),
            (None, false) => write_out(b"[]\n"),
        }
    }
}

/// A product in words: `product 3 (lamp)`.
pub(super) fn product(value: &Value) -> String {
    format!("product {} ({})", value["id"], plain(value["name"].as_str().unwrap_or_default()))
}

/// An order in words: `order 42 is cancelled`.
pub(super) fn order(value: &Value) -> String {
    format!("order {} is {}", value["id"], shown(&value["status"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_listens_everywhere_is_found_on_this_machine() {
        for (host, found) in [
            ("0.0.0.0", "http://127.0.0.1:1"),
            ("::", "http://[::1]:1"),
            ("::1", "http://[::1]:1"),
            ("192.0.2.7", "http://192.0.2.7:1"),
            ("shop.example", "http://shop.example:1"),
        ] {
            assert_eq!(url(host, 1), found);
        }
    }
}
