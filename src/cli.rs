//! The command line: the list of commands. Each command is one file with its arguments and its `run`; a new one is a
//! file in `cli/`, its `mod` line and its row in `commands!` below.

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::{app, limits, logging};

mod alert_args;
mod analyze;
mod backup;
mod check;
mod completions;
mod confirm;
mod db;
mod drop_log;
mod env_file;
mod export;
mod mirror_args;
mod misspelt;
mod openapi;
mod orders;
mod output;
mod parse;
mod products;
mod queue;
mod rehearse;
mod remote;
mod report;
mod restore;
mod run;
mod scenario;
mod seed;
mod serve;
mod serve_args;
mod server_args;
mod shared_args;
mod status;
mod stock;
mod table;
mod values;
mod verify;
mod version;

use run::{CommandError, Definition, Run};
use shared_args::LogArgs;

/// Makes the enum of all commands, in the order in which the help lists them. Clap takes a command's name from its
/// struct, and its description from the comment there.
macro_rules! commands {
    ($($file:ident::$command:ident),+ $(,)?) => {
        #[derive(Debug, Subcommand)]
        #[allow(clippy::large_enum_variant, reason = "parsed once")]
        enum Command {
            $($command($file::$command)),+
        }

        impl Run for Command {
            fn log(&self) -> Option<&LogArgs> {
                match self {
                    $(Self::$command(command) => command.log()),+
                }
            }

            fn run(self, definition: Definition) -> Result<(), CommandError> {
                match self {
                    $(Self::$command(command) => command.run(definition)),+
                }
            }
        }
    };
}

commands! {
    serve::Serve,
    check::Check,
    seed::Seed,
    status::Status,
    products::Products,
    orders::Orders,
    queue::Queue,
    stock::Stock,
    scenario::Scenario,
    rehearse::Rehearse,
    verify::Verify,
    backup::Backup,
    restore::Restore,
    drop_log::DropLog,
    export::Export,
    report::Report,
    analyze::Analyze,
    db::Db,
    openapi::Openapi,
    completions::Completions,
    version::Version,
}

/// A flash-sale backend in one binary: sells every unit exactly once, and never one too many
#[derive(Debug, Parser)]
#[command(
    name = "flashsale",
    version,
    max_term_width = 100,
    override_usage = "flashsale [COMMAND] [OPTIONS]",
    after_help = "Without a command, flashsale runs the server; `flashsale serve --help` lists its options.\n\n\
        An option that names a variable, such as [env: PORT], can also be set by that variable, in the environment or \
        in a file .env in the working directory. A flag wins over the environment, and the environment over the file."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Does what the command line asks for. A failure is printed once, here.
pub fn run() -> ExitCode {
    let code = match read_and_run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::fail(&error),
    };
    logging::flush(limits::LOG_FLUSH_TIMEOUT);
    code
}

fn read_and_run() -> Result<(), CommandError> {
    let parse::Parsed { cli: Cli { command }, warnings } = parse::parse::<Cli>()?;
    app::survive_file_size_limit().map_err(CommandError::Start)?;
    match command.log() {
        Some(log) => {
            log.start()?;
            warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        }
        None => warnings.iter().for_each(output::warn),
    }
    command.run(definition)
}

/// The whole command line.
fn definition() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_has_no_contradictions() {
        definition().debug_assert();
    }

    #[test]
    fn every_command_and_every_option_is_described_in_its_own_words() {
        let definition = definition();
        let deeper = || definition.get_subcommands().flat_map(clap::Command::get_subcommands);
        for command in deeper().chain(deeper().flat_map(clap::Command::get_subcommands)) {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for arg in command.get_arguments() {
                assert!(arg.get_help().is_some(), "{} {}", command.get_name(), arg.get_id());
            }
        }
        let mut seen = std::collections::BTreeSet::new();
        for command in definition.get_subcommands() {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(!about.is_empty() && seen.insert(about), "{}", command.get_name());
            for arg in command.get_arguments() {
                assert!(arg.get_help().is_some(), "{} {}", command.get_name(), arg.get_id());
            }
        }
    }
}
