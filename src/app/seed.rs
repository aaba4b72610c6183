//! The sample products in a store without a server.

use std::path::Path;

use tokio::runtime::{Builder, Handle};

use crate::domain::clock::Clock;
use crate::engine::{Engine, EngineConfig, OpenedStore};
use crate::sample;
use crate::store::{self, Medium};

use super::AppError;

/// Creates the sample products in an empty store, which is made if there is none. Returns how many were created: 0 if
/// the store has others.
pub fn seed(data_dir: &Path) -> Result<u64, AppError> {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (engine, created) = runtime.block_on(async {
        let opened = OpenedStore::open(Medium::File(store::file_in(data_dir)))?;
        let samples = sample::missing(&opened.recovered);
        let engine = Engine::start(opened, &EngineConfig::default(), Clock::system(), &Handle::current())?;
        let created = sample::create(&engine.intake, samples).await;
        Ok::<_, AppError>((engine, created))
    })?;
    engine.close();
    created.map_err(|refusal| AppError::Sample(refusal.code()))
}
