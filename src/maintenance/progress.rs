//! The progress of long work, shown on a terminal and nowhere else.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on standard error, if that is a terminal. It disappears when the work ends.
#[derive(Debug)]
pub(super) struct Bar {
    bar: ProgressBar,
    what: &'static str,
}

impl Bar {
    pub(super) fn new() -> Self {
        Self { bar: ProgressBar::new(0), what: "" }
    }

    /// Shows what is being done, how much of it is done, and of how much; `total` is 0 if unknown.
    pub(super) fn show(&mut self, what: &'static str, done: u64, total: u64) {
        if what != self.what {
            self.what = what;
            let template = match total {
                0 => "{msg} …",
                _ => "{msg:<40} {bar:30} {percent:>3} %  {eta:>4} left",
            };
            self.bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
            self.bar.set_message(what);
            self.bar.reset();
        }
        self.bar.set_length(total);
        self.bar.set_position(done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
