//! `flashsale report`.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::maintenance;
use crate::report;

use super::output::say;
use super::run::{CommandError, Definition, Run};

/// Draw the results of a load test, from `rehearse` or Artillery, as one HTML file that opens offline; or compare two
#[derive(Debug, Args)]
pub(super) struct Report {
    /// Results: the JSON of `rehearse`, or of `artillery run --output`; - is standard input
    file: PathBuf,
    /// Results to compare with the first ones
    other: Option<PathBuf>,
    /// File to write; if unset, it is beside the results and has their name, with .html
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it exists, unless it is a store or its log: those are never replaced
    #[arg(long)]
    force: bool,
}

impl Run for Report {
    fn run(self, _: Definition) -> Result<(), CommandError> {
        let output = self.output().ok_or(CommandError::NoOutput)?;
        let html = report::html(&self.file, self.other.as_deref())?;
        maintenance::write(&output, html.as_bytes(), self.force)?;
        say(&format!("{} has the report, {} kB; open it in a browser", output.display(), html.len().div_ceil(1_000)))
    }
}

impl Report {
    /// Where the report goes; nothing if standard input has no name that it could have.
    fn output(&self) -> Option<PathBuf> {
        if let Some(output) = &self.output {
            return Some(output.clone());
        }
        let stem = |path: &Path| (path.as_os_str() != "-").then(|| path.file_stem().map(ToOwned::to_owned)).flatten();
        let mut name = stem(&self.file)?;
        if let Some(other) = &self.other {
            name.push("-");
            name.push(stem(other)?);
        }
        name.push(".html");
        Some(self.file.with_file_name(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_beside_the_results_under_their_name() {
        let output = |file: &str, other: Option<&str>| {
            let report = Report { file: file.into(), other: other.map(PathBuf::from), output: None, force: false };
            report.output().map(|path| path.display().to_string())
        };
        assert_eq!(output("runs/a.json", None).as_deref(), Some("runs/a.html"));
        assert_eq!(output("runs/a.json", Some("b.json")).as_deref(), Some("runs/a-b.html"));
        assert_eq!((output("-", None), output("a.json", Some("-"))), (None, None));
    }
}
