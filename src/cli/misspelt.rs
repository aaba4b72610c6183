//! Names of variables that are nearly a setting: one that is set in vain is worse than one that is missing.

use std::collections::BTreeSet;

use super::env_file::EnvFile;

/// A name in the `.env` file that is nearly a setting.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the file .env sets {name}, which is not a setting; did you mean {meant}? A variable of another program with such \
     a name belongs in another file"
)]
pub(super) struct Misspelt {
    name: String,
    meant: String,
}

/// A name that is nearly a setting, in a place where it may as well belong to another program.
#[derive(Debug, thiserror::Error)]
#[error("{name} {place} is not a setting and has no effect; did you mean {meant}?")]
pub(super) struct Warning {
    name: String,
    place: &'static str,
    meant: String,
}

/// The names of all settings.
pub(super) struct Settings(BTreeSet<String>);

impl Settings {
    /// The settings of a command line with all its commands.
    pub(super) fn of(definition: &clap::Command) -> Self {
        let args = definition.get_subcommands().flat_map(clap::Command::get_arguments);
        Self(args.filter_map(|arg| Some(arg.get_env()?.to_string_lossy().into_owned())).collect())
    }

    /// The setting that is probably meant by a name that is not a setting.
    fn meant_by(&self, name: &str) -> Option<&str> {
        if self.0.contains(name) {
            return None;
        }
        let shouted = name.to_ascii_uppercase();
        let near = self.0.iter().map(|known| (strsim::osa_distance(known, &shouted), known));
        let near = near.filter(|(distance, known)| *distance <= tolerance(known));
        near.min().map(|(_, known)| known.as_str())
    }

    /// The file is there for settings, so a name in it that is nearly one is an error.
    pub(super) fn check_file(&self, file: &EnvFile) -> Result<(), Misspelt> {
        let slip = file.keys().find_map(|name| Some((name, self.meant_by(name)?)));
        let Some((name, meant)) = slip.filter(|(_, meant)| meant.len() >= LONG) else { return Ok(()) };
        Err(Misspelt { name: name.clone(), meant: meant.to_owned() })
    }

    /// Other programs share the environment, so a name there that is nearly a setting is worth a warning only. So is a
    /// short name in the file: it is near to many others.
    pub(super) fn warnings(&self, environment: impl Iterator<Item = String>, file: &EnvFile) -> Vec<Warning> {
        let names = environment.map(|name| (name, "in the environment"));
        let names = names.chain(file.keys().map(|name| (name.clone(), "in the file .env")));
        let warning = |(name, place): (String, &'static str)| {
            let meant = self.meant_by(&name)?.to_owned();
            Some(Warning { name, place, meant })
        };
        names.filter_map(warning).collect()
    }
}

/// Names of this length and longer are hardly near to another one by chance.
const LONG: usize = 8;

/// How many letters may be wrong in a name that probably means this one.
const fn tolerance(known: &str) -> usize {
    // With two, `HOST` would be `HOME`, and `PORT` would be `PATH`.
    if known.len() > 10 { 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;

    fn settings() -> Settings {
        Settings::of(&cli::definition())
    }

    #[test]
    fn a_name_that_is_nearly_a_setting_is_shown_with_the_one_that_is_meant() {
        for (name, meant) in [
            ("ADMIN_TOKE", "ADMIN_TOKEN"),
            ("ADMIN_TOKENS", "ADMIN_TOKEN"),
            ("ADMIN_TOEKN", "ADMIN_TOKEN"),
            ("admin_token", "ADMIN_TOKEN"),
            ("ADMINTOKEN_FILE", "ADMIN_TOKEN_FILE"),
            ("RATE_LIMIT_PER_USERS", "RATE_LIMIT_PER_USER"),
            ("RATE_LIMITS_PER_IPS", "RATE_LIMIT_PER_IP"),
            ("FULFILMENT_URL", "FULFILLMENT_URL"),
            ("FULLFILMENT_SECRET", "FULFILLMENT_SECRET"),
            ("DATADIR", "DATA_DIR"),
            ("WORKER", "WORKERS"),
            ("PROT", "PORT"),
            ("host", "HOST"),
        ] {
            assert_eq!(settings().meant_by(name), Some(meant), "{name}");
        }
    }

    #[test]
    fn names_of_others_are_left_alone() {
        for name in [
            "HOME",
            "PATH",
            "USER",
            "SHELL",
            "TERM",
            "LANG",
            "PWD",
            "HOSTNAME",
            "LOGNAME",
            "EDITOR",
            "RUST_BACKTRACE",
            "DATABASE_URL",
            "REDIS_HOST",
            "TOKEN",
            "ADMIN",
            "ADMIN_PASSWORD",
            "PORT_HTTP",
            "LOG_LEVEL",
            "PATHEXT",
            "",
        ] {
            assert_eq!(settings().meant_by(name), None, "{name}");
        }
        for name in &settings().0 {
            assert_eq!(settings().meant_by(name), None, "{name}");
        }
    }

    #[test]
    fn a_slip_in_the_file_is_an_error_and_in_the_environment_a_warning_and_no_value_is_shown() {
        let file = |name: &str| EnvFile::from([(name.to_owned(), "hunter2".to_owned())]);
        let error = settings().check_file(&file("ADMIN_TOKE")).unwrap_err().to_string();
        assert!(
            error.contains("ADMIN_TOKE,") && error.contains("ADMIN_TOKEN?") && !error.contains("hunter2"),
            "{error}"
        );
        for fine in ["ADMIN_TOKEN", "SOMETHING_ELSE", "POST"] {
            assert_eq!(settings().check_file(&file(fine)), Ok(()), "{fine}");
        }
        let names = ["HOME", "ADMIN_TOKEN", "RATE_LIMIT_PER_USERS"].map(str::to_owned);
        let warnings = settings().warnings(names.into_iter(), &file("POST"));
        let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[0].contains("RATE_LIMIT_PER_USERS in the environment"), "{warnings:?}");
        assert!(warnings[1].contains("POST in the file .env") && !warnings[1].contains("hunter2"), "{warnings:?}");
    }
}
