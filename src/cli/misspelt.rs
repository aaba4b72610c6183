//! Names of variables that are nearly ours: a setting that nobody reads is worse than one that is missing.

use std::collections::BTreeSet;

use super::env_file::EnvFile;

/// The names of all settings.
pub(super) struct Settings(BTreeSet<String>);

impl Settings {
    /// Those of a command line with all its commands.
    pub(super) fn of(definition: &clap::Command) -> Self {
        let args = definition.get_subcommands().flat_map(clap::Command::get_arguments);
        Self(args.filter_map(|arg| Some(arg.get_env()?.to_string_lossy().into_owned())).collect())
    }

    /// The setting that a name, which is none, is meant to be.
    fn meant_by(&self, name: &str) -> Option<&str> {
        if self.0.contains(name) {
            return None;
        }
        let shouted = name.to_ascii_uppercase();
        let near = self.0.iter().map(|known| (strsim::osa_distance(known, &shouted), known));
        let near = near.filter(|(distance, known)| *distance <= tolerance(known));
        near.min().map(|(_, known)| known.as_str())
    }

    /// The file is read for the sake of its settings, so a name in it that is nearly one is an error.
    pub(super) fn check_file(&self, file: &EnvFile) -> Result<(), String> {
        let slip = file.keys().find_map(|name| Some((name, self.meant_by(name)?)));
        let Some((name, meant)) = slip.filter(|(_, meant)| meant.len() >= LONG) else { return Ok(()) };
        Err(format!(
            "the file .env sets {name}, which is no setting; did you mean {meant}? A variable of another program with \
             such a name belongs into a file of its own"
        ))
    }

    /// The environment is shared with other programs, so what is nearly a setting there is only worth a word; as are
    /// short names in the file, which have many neighbours.
    pub(super) fn warnings(&self, environment: impl Iterator<Item = String>, file: &EnvFile) -> Vec<String> {
        let names = environment.map(|name| (name, "in the environment"));
        let names = names.chain(file.keys().map(|name| (name.clone(), "in the file .env")));
        let warning = |(name, place): (String, &str)| {
            let meant = self.meant_by(&name)?;
            Some(format!("{name} {place} is no setting and has no effect; did you mean {meant}?"))
        };
        names.filter_map(warning).collect()
    }
}

/// From this length on a name has hardly any neighbours by chance.
const LONG: usize = 8;

/// How many letters may be wrong in a name that is meant to be this one.
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
    fn a_name_that_is_nearly_a_setting_is_told_with_the_one_that_is_meant() {
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
        let error = settings().check_file(&file("ADMIN_TOKE")).unwrap_err();
        assert!(
            error.contains("ADMIN_TOKE,") && error.contains("ADMIN_TOKEN?") && !error.contains("hunter2"),
            "{error}"
        );
        for fine in ["ADMIN_TOKEN", "SOMETHING_ELSE", "POST"] {
            assert_eq!(settings().check_file(&file(fine)), Ok(()), "{fine}");
        }
        let names = ["HOME", "ADMIN_TOKEN", "RATE_LIMIT_PER_USERS"].map(str::to_owned);
        let warnings = settings().warnings(names.into_iter(), &file("POST"));
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[0].contains("RATE_LIMIT_PER_USERS in the environment"), "{warnings:?}");
        assert!(warnings[1].contains("POST in the file .env") && !warnings[1].contains("hunter2"), "{warnings:?}");
    }
}
