//! From the words of the command line, the environment and a `.env` file to what the program is told.

use std::ffi::OsString;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, FromArgMatches};

use super::env_file::{self, EnvFile};
use super::{Cli, Command, misspelt};

/// What the program was told, and what about it looks like a mistake.
#[derive(Debug)]
pub struct Parsed {
    /// What to do.
    pub command: Command,
    /// Variables that are nearly ours, a sentence each.
    pub warnings: Vec<String>,
}

/// What the program was told. Where that is not to be understood, or is a call for help, the process says so and ends;
/// the error is what else is in the way.
pub fn parse() -> Result<Parsed, String> {
    let words = with_command(std::env::args_os().collect());
    // Only who uses settings stumbles over a file with wrong ones.
    if !uses_settings(&words) {
        let command = read(&words, &EnvFile::new()).unwrap_or_else(|error| error.exit());
        return Ok(Parsed { command, warnings: Vec::new() });
    }
    let file = env_file::load()?;
    let command = read(&words, &file).unwrap_or_else(|error| error.exit());
    let settings = misspelt::Settings::of(&Cli::command());
    settings.check_file(&file)?;
    #[allow(clippy::disallowed_methods, reason = "this is cli")]
    let environment = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    Ok(Parsed { command, warnings: settings.warnings(environment, &file) })
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

fn uses_settings(words: &[OsString]) -> bool {
    let definition = Cli::command();
    let command = words.get(1).and_then(|word| definition.find_subcommand(word));
    command.is_some_and(|command| command.get_arguments().any(|arg| arg.get_env().is_some()))
}

fn read(words: &[OsString], file: &EnvFile) -> Result<Command, clap::Error> {
    let definition = Cli::command().mut_subcommands(|command| command.mut_args(|arg| with_file(arg, file)));
    let read = definition.clone().try_get_matches_from(words).and_then(|found| Cli::from_arg_matches(&found));
    match read {
        Ok(cli) => Ok(cli.command),
        Err(error) => Err(naming_variable(error, words)),
    }
}

/// Where a variable is not set in the environment, the file is asked, and then the default holds. An empty variable is
/// as good as none: what starts a server in a container often passes all of them on.
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

/// Names the variable in an error about a value where it stood in one, not the flag that nobody gave.
fn naming_variable(mut error: clap::Error, words: &[OsString]) -> clap::Error {
    let Some(ContextValue::String(culprit)) = error.get(ContextKind::InvalidArg) else { return error };
    let mut definition = Cli::command();
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

    fn words(words: &[&str]) -> Vec<OsString> {
        with_command([&["flashsale"], words].concat().into_iter().map(OsString::from).collect())
    }

    #[test]
    fn no_word_is_serve_with_its_flags() {
        let Ok(Command::Serve(serve)) = read(&words(&["--port", "4000", "--sample-data"]), &EnvFile::new()) else {
            panic!()
        };
        assert!(serve.port == 4000 && serve.sample_data);
        assert!(matches!(read(&words(&[]), &EnvFile::new()), Ok(Command::Serve(_))));
        assert!(matches!(read(&words(&["version"]), &EnvFile::new()), Ok(Command::Version)));
        for help in [&["--help"][..], &["-V"], &["help", "serve"], &["--port", "1", "--help"]] {
            let error = read(&words(help), &EnvFile::new()).unwrap_err();
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
            (&["version"], false),
            (&["openapi"], false),
            (&["completions", "bash"], false),
            (&["--help"], false),
            (&["dance"], false),
        ] {
            assert_eq!(uses_settings(&words(command)), uses, "{command:?}");
        }
    }
}
