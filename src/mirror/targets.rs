//! The targets of the mirrors that are set: their settings, checked and built once, before the store is opened.

use std::fmt;

use crate::config::MirrorsConfig;
use crate::domain::mirror::{Mirror, MirrorPlace};
use crate::outbound::Webhook;

use super::error::MirrorError;
use super::events::aside::FILE_NAME;
use super::{events, postgres, redis};

/// What the mirrors that are set go to. A start and a check of the settings build the same.
#[derive(Debug, Default)]
pub struct Targets {
    pub(super) postgres: Option<postgres::Settings>,
    pub(super) redis: Option<redis::Settings>,
    pub(super) events: Option<Webhook>,
}

impl Targets {
    /// Builds all that are set; needs no network, but reads the files that the settings name. What cannot be used is
    /// left out, and its error is with it.
    pub fn read(config: &MirrorsConfig) -> (Self, Vec<MirrorError>) {
        let mut errors = Vec::new();
        let targets = Self {
            postgres: taken(config.database.as_ref().map(postgres::Settings::new), &mut errors),
            redis: taken(config.redis.as_ref().map(|redis| redis::Settings::new(redis).map_err(settings)), &mut errors),
            events: taken(config.events.as_ref().map(|to| events::webhook(to).map_err(settings)), &mut errors),
        };
        (targets, errors)
    }

    /// The same for a start, which needs them all. The error is the first one.
    pub fn new(config: &MirrorsConfig) -> Result<Self, MirrorError> {
        let (targets, errors) = Self::read(config);
        errors.into_iter().next().map_or(Ok(targets), Err)
    }

    /// Where they are, and what lists the rows and events that they rejected. No secret is in it.
    pub fn places(&self) -> Vec<MirrorPlace> {
        let place = |mirror, target, aside| MirrorPlace { mirror, target, aside };
        let postgres = self.postgres.as_ref();
        let postgres =
            postgres.map(|to| place(Mirror::Postgres, to.place(), "SELECT * FROM mirror_rejected".to_owned()));
        let redis = self.redis.as_ref().map(|to| place(Mirror::Redis, to.place(), to.aside()));
        let events = self.events.as_ref().map(|to| place(Mirror::Events, to.place(), FILE_NAME.to_owned()));
        [postgres, redis, events].into_iter().flatten().collect()
    }

    /// Why a target would stay away although its settings can be used: a sentence without its period.
    pub fn obstacle(&self) -> Option<String> {
        let error = self.postgres.as_ref()?.check_migrations().err()?;
        Some(format!("{} would stay away: {error}", Mirror::Postgres.name()))
    }
}

fn taken<T>(built: Option<Result<T, MirrorError>>, errors: &mut Vec<MirrorError>) -> Option<T> {
    built?.map_err(|error| errors.push(error)).ok()
}

fn settings(error: impl fmt::Display) -> MirrorError {
    MirrorError::Settings(error.to_string())
}
