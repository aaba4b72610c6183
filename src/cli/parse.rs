//! Reads the command line, the environment and a `.env` file.

use std::ffi::OsString;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, FromArgMatches};

use super::env_file::{self, EnvFile};
use super::misspelt::{Settings, Warning};
use super::run::CommandError;

/// The command line that was read, and what looks like a mistake.
#[derive(Debug)]
pub(super) struct Parsed<C> {
    /// Commands and options.
    pub(super) cli: C,
    /// Variables that are nearly a setting.
    pub(super) warnings: Vec<Warning>,
}

/// Reads what the process was started with. A request for help is an error as well.
pub(super) fn parse<C: CommandFactory + FromArgMatches>() -> Result<Parsed<C>, CommandError> {
    let words = with_command(std::env::args_os().collect());
    // A wrong file fails only the commands that have settings.
    if !uses_settings(&C::command(), &words) {
        return Ok(Parsed { cli: read(&words, &EnvFile::new())?, warnings: Vec::new() });
    }
    let file = env_file::load()?;
    let cli = read(&words, &file)?;
    let settings = Settings::of(&C::command());
    settings.check_file(&file)?;
    let environment = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    Ok(Parsed { cli, warnings: settings.warnings(environment, &file) })
}

/// `flashsale --port 4000` is `flashsale serve --port 4000`.
fn with_command(mut words: Vec<OsString>) -> Vec<OsString> {
    if words.is_empty() {
        words.push("flashsale".into());
    }
    let first = words.get(1).map(|word| word.to_string_lossy());
    let serves = match first.as_deref() {
        None => true,
        Some("-h" | "--help" | "-V" | "--version") => false,
        Some(word) => word.starts_with('-'),
    };
    if serves {
        words.insert(1, "serve".into());
    }
    words
}

fn uses_settings(definition: &clap::Command, words: &[OsString]) -> bool {
    let command = words.get(1).and_then(|word| definition.find_subcommand(word));
    command.is_some_and(|command| command.get_arguments().any(|arg| arg.get_env().is_some()))
}

fn read<C: CommandFactory + FromArgMatches>(words: &[OsString], file: &EnvFile) -> Result<C, clap::Error> {
    let definition = C::command().mut_subcommands(|command| command.mut_args(|arg| with_file(arg, file)));
    let read = definition.try_get_matches_from(words).and_then(|found| C::from_arg_matches(&found));
    read.map_err(|error| naming_variable(C::command(), error, words))
}

/// A variable that is unset in the environment is looked up in the file, before the default. An empty variable counts
/// as unset: what starts a server in a container often passes all of them on.
fn with_file(arg: clap::Arg, file: &EnvFile) -> clap::Arg {
    let Some(variable) = arg.get_env().map(|name| name.to_string_lossy().into_owned()) else { return arg };
    #[allow(clippy::disallowed_methods, reason = "this is cli")]
    let value = std::env::var_os(&variable);
    if value.as_ref().is_some_and(|value| !value.is_empty()) {
        return arg;
    }
    let arg = if value.is_some() { arg.env(Resettable::Reset) } else { arg };
    match file.get(&variable).filter(|value| !value.is_empty()) {
        Some(value) => {
            // The help shows defaults, and this one may be a secret.
            let hidden = arg.get_action().takes_values();
            // Made once, and kept as long as the process.
            arg.default_value(&*value.clone().leak()).hide_default_value(hidden)
        }
        None => arg,
    }
}

/// In an error about the value of a variable, names the variable instead of the flag, which was not given.
fn naming_variable(mut definition: clap::Command, mut error: clap::Error, words: &[OsString]) -> clap::Error {
    let Some(ContextValue::String(culprit)) = error.get(ContextKind::InvalidArg) else { return error };
    // Before this, its parts have no names to be compared.
    definition.build();
    let command = words.get(1).and_then(|word| definition.find_subcommand(word));
    let arg = command.and_then(|command| command.get_arguments().find(|arg| arg.to_string() == *culprit));
    let Some((flag, variable)) = arg.and_then(|arg| Some((format!("--{}", arg.get_long()?), arg.get_env()?))) else {
        return error;
    };
    let given = |word: &OsString| {
        let word = word.to_string_lossy();
        word.strip_prefix(&flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    };
    if !words.iter().any(given) {
        error.insert(ContextKind::InvalidArg, ContextValue::String(variable.to_string_lossy().into_owned()));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};

    fn read_command(words: &[&str]) -> Result<Command, clap::Error> {
        super::read::<Cli>(&self::words(words), &EnvFile::new()).map(|cli| cli.command)
    }

    fn words(words: &[&str]) -> Vec<OsString> {
        with_command([&["flashsale"], words].concat().into_iter().map(OsString::from).collect())
    }

    #[test]
    fn no_word_is_serve_with_its_flags() {
        let Ok(Command::Serve(serve)) = read_command(&["--port", "4000", "--sample-data"]) else { panic!() };
        assert!(serve.settings.port == 4000 && serve.settings.sample_data);
        assert!(matches!(read_command(&[]), Ok(Command::Serve(_))));
        assert!(matches!(read_command(&["version"]), Ok(Command::Version(_))));
        for help in [&["--help"][..], &["-V"], &["help", "serve"], &["--port", "1", "--help"]] {
            let error = read_command(help).unwrap_err();
            assert_eq!(error.exit_code(), 0, "{help:?}: {error}");
        }
    }

    #[test]
    fn only_some_commands_use_settings() {
        for (command, uses) in [
            (&[][..], true),
            (&["--port=1"], true),
            (&["serve"], true),
            (&["verify"], true),
            (&["backup"], true),
            (&["restore"], true),
            (&["export"], true),
            (&["drop-log"], true),
            (&["products", "list"], true),
            (&["scenario", "hyper"], true),
            (&["queue", "dead-letters", "list"], true),
            (&["report", "run.json"], false),
            (&["version"], false),
            (&["openapi"], false),
            (&["completions", "bash"], false),
            (&["--help"], false),
            (&["dance"], false),
        ] {
            assert_eq!(uses_settings(&Cli::command(), &words(command)), uses, "{command:?}");
        }
    }
}
