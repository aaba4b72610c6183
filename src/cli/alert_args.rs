//! The thresholds of the alerts as arguments.

use clap::Args;

use crate::config::AlertConfig;

use super::values::within;

const DEFAULT: AlertConfig = AlertConfig::DEFAULT;

/// From where on alerts are raised
#[derive(Debug, Args)]
pub(super) struct AlertArgs {
    /// Alert when the queue is fuller than this, in percent; 0 for never, as with all alerts
    #[arg(
        long, env = "ALERT_QUEUE_PERCENT", default_value_t = DEFAULT.queue_percent, value_name = "PERCENT",
        value_parser = within::<u32>(0..=100)
    )]
    alert_queue_percent: u32,
    /// Alert when the oldest job waits for longer than this, in seconds
    #[arg(
        long, env = "ALERT_OLDEST_JOB_SECONDS", default_value_t = DEFAULT.oldest_job_seconds, value_name = "S",
        value_parser = within::<u32>(0..=86_400)
    )]
    alert_oldest_job_seconds: u32,
    /// Alert when less than this of a product is left, in percent
    #[arg(
        long, env = "ALERT_STOCK_PERCENT", default_value_t = DEFAULT.stock_percent, value_name = "PERCENT",
        value_parser = within::<u32>(0..=100)
    )]
    alert_stock_percent: u32,
    /// Alert when more of the orders that were settled in the last ten seconds failed, in percent
    #[arg(
        long, env = "ALERT_ERROR_PERCENT", default_value_t = DEFAULT.error_percent, value_name = "PERCENT",
        value_parser = within::<u32>(0..=100)
    )]
    alert_error_percent: u32,
    /// Alert when more dead letters than this come within a minute
    #[arg(
        long, env = "ALERT_DEAD_LETTERS", default_value_t = DEFAULT.dead_letters, value_name = "N",
        value_parser = within::<u32>(0..=1_000_000)
    )]
    alert_dead_letters: u32,
    /// Alert when one commit in a hundred takes longer than this, in milliseconds
    #[arg(
        long, env = "ALERT_COMMIT_MS", default_value_t = DEFAULT.commit_ms, value_name = "MS",
        value_parser = within::<u32>(0..=60_000)
    )]
    alert_commit_ms: u32,
    /// Alert when less than this is free on the disk, in MiB
    #[arg(
        long, env = "ALERT_DISK_FREE_MIB", default_value_t = DEFAULT.disk_free_mib, value_name = "MIB",
        value_parser = within::<u32>(0..=1_000_000_000)
    )]
    alert_disk_free_mib: u32,
    /// Alert when more of the allowed files are open, in percent
    #[arg(
        long, env = "ALERT_OPEN_FILES_PERCENT", default_value_t = DEFAULT.open_files_percent, value_name = "PERCENT",
        value_parser = within::<u32>(0..=100)
    )]
    alert_open_files_percent: u32,
    /// Alert when a mirror is further behind than this, in seconds
    #[arg(
        long, env = "ALERT_MIRROR_LAG_SECONDS", default_value_t = DEFAULT.mirror_lag_seconds, value_name = "S",
        value_parser = within::<u32>(0..=86_400)
    )]
    alert_mirror_lag_seconds: u32,
    /// Alert so many minutes before a sale starts
    #[arg(
        long, env = "ALERT_SALE_SOON_MINUTES", default_value_t = DEFAULT.sale_soon_minutes, value_name = "MINUTES",
        value_parser = within::<u32>(0..=1_440)
    )]
    alert_sale_soon_minutes: u32,
}

impl AlertArgs {
    /// The thresholds.
    pub(super) const fn thresholds(&self) -> AlertConfig {
        AlertConfig {
            queue_percent: self.alert_queue_percent,
            oldest_job_seconds: self.alert_oldest_job_seconds,
            stock_percent: self.alert_stock_percent,
            error_percent: self.alert_error_percent,
            dead_letters: self.alert_dead_letters,
            commit_ms: self.alert_commit_ms,
            disk_free_mib: self.alert_disk_free_mib,
            open_files_percent: self.alert_open_files_percent,
            mirror_lag_seconds: self.alert_mirror_lag_seconds,
            sale_soon_minutes: self.alert_sale_soon_minutes,
        }
    }
}
