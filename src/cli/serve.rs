//! `flashsale serve`.

use clap::Args;

use crate::{app, logging};

use super::run::{CommandError, Definition, Run};
use super::serve_args::ServeArgs;
use super::shared_args::{LogArgs, LogFormat};

/// Run the server
#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    pub(super) settings: ServeArgs,
}

impl Run for Serve {
    fn log(&self) -> Option<&LogArgs> {
        Some(&self.settings.log)
    }

    fn run(self, _: Definition) -> Result<(), CommandError> {
        let format = self.settings.log.log_format;
        let config = self.settings.resolve()?;
        let announce = |banner: &app::Banner| match format {
            LogFormat::Text => logging::announce(format!("{banner}\n")),
            LogFormat::Json => banner.log(),
        };
        Ok(app::run(config, announce)?)
    }
}
