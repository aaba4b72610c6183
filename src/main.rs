//! The program: reads the command line, sets up the log, and does what was asked for.

use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use flashsale::cli::{
    self, BackupArgs, Command, DropLogArgs, ExportArgs, LogArgs, LogFormat, RestoreArgs, ServeArgs, VerifyArgs,
};
use flashsale::logging::{self, Log};
use flashsale::maintenance::{self, counted};
use flashsale::store::archive::Contents;
use flashsale::{api, app, http, limits};
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli::Parsed { command, warnings } = match cli::parse() {
        Ok(parsed) => parsed,
        Err(error) => return fail(&error),
    };
    if let Err(error) = app::survive_file_size_limit() {
        return fail(&format!("cannot start: {error}"));
    }
    if !matches!(command, Command::Serve(_)) {
        // There is no log. Where standard error is gone, nobody can be warned.
        warnings.iter().for_each(|warning| _ = writeln!(std::io::stderr(), "warning: {warning}"));
    }
    let done = match command {
        Command::Serve(serve) => return run_server(serve, &warnings),
        Command::Verify(args) => verify(&args),
        Command::Backup(args) => backup(&args),
        Command::Restore(args) => restore(&args),
        Command::DropLog(args) => drop_log(&args),
        Command::Export(args) => export(&args),
        Command::Openapi => say(api::description(http::Access::Operator).trim_end()),
        Command::Completions { shell } => {
            // Into memory first: the generators panic where they cannot write.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut cli::definition(), "flashsale", &mut script);
            write_out(&script)
        }
        Command::Version => say(&format!("flashsale {}", env!("CARGO_PKG_VERSION"))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// From here on everything that is said goes through the log's thread: nobody may be reading.
fn run_server(serve: ServeArgs, warnings: &[String]) -> ExitCode {
    let mut log = match set_up_log(serve.log()) {
        Ok(log) => log,
        Err(error) => return fail(&error),
    };
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let code = match serve_until_told(serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = log.write_all(format!("error: {error}\n").as_bytes());
            ExitCode::FAILURE
        }
    };
    logging::flush(limits::LOG_FLUSH_TIMEOUT);
    code
}

fn serve_until_told(serve: ServeArgs) -> Result<(), String> {
    let format = serve.log().log_format;
    let config = serve.resolve().map_err(|error| error.to_string())?;
    let announce = |banner: &app::Banner| match format {
        LogFormat::Text => logging::announce(format!("{banner}\n")),
        LogFormat::Json => tracing::info!(address = %format!("http://{}", banner.address), "{banner}"),
    };
    app::run(config, announce).map_err(|error| error.to_string())
}

fn verify(args: &VerifyArgs) -> Result<(), String> {
    let scratch_dir = args.scratch_dir.as_deref();
    let report = maintenance::verify(&args.store.data_dir, scratch_dir).map_err(|error| error.to_string())?;
    say(&report.to_string())?;
    match report.is_sound() {
        true => Ok(()),
        false => Err("the store does not add up; restore a backup, and keep this one for an enquiry".to_owned()),
    }
}

fn backup(args: &BackupArgs) -> Result<(), String> {
    let token = args.token().map_err(|error| error.to_string())?;
    let source = match &args.server {
        Some(server) => maintenance::Source::Running { server, token: token.as_ref() },
        None => maintenance::Source::Stopped(&args.store.data_dir),
    };
    let contents = maintenance::backup(source, &args.output, args.force).map_err(|error| error.to_string())?;
    say(&format!("{} holds the store {}", args.output.display(), moment(&contents)))
}

fn restore(args: &RestoreArgs) -> Result<(), String> {
    let restored = maintenance::restore(&args.backup, &args.store.data_dir, args.force);
    let restored = restored.map_err(|error| error.to_string())?;
    say(&format!("{} holds the store {}", args.store.data_dir.display(), moment(&restored.contents)))?;
    say(&format!("its own history is {}; orders go on with number {}", restored.fork.id, restored.fork.first_order))?;
    match restored.kept {
        Some(kept) => say(&format!("what was there before is now {}", kept.display())),
        None => Ok(()),
    }
}

fn drop_log(args: &DropLogArgs) -> Result<(), String> {
    let mut told = Ok(());
    let dropped = maintenance::drop_log(&args.store.data_dir, args.yes, |loss| told = say(&loss.to_string()));
    let maintenance::Dropped { fork, kept } = dropped.map_err(|error| error.to_string())?;
    told?;
    say(&format!("the history is {} from here; orders go on with number {}", fork.id, fork.first_order))?;
    match kept {
        Some(kept) => say(&format!("the log that was there is now {}", kept.display())),
        None => Ok(()),
    }
}

fn export(args: &ExportArgs) -> Result<(), String> {
    let subject = args.subject();
    let subject =
        subject.unwrap_or_else(|error| cli::definition().error(clap::error::ErrorKind::InvalidValue, error).exit());
    let file = args.output.as_deref();
    let written = maintenance::export(&args.store.data_dir, &subject, &args.filter(), args.format(), file, args.force);
    let written = written.map_err(|error| error.to_string())?;
    match file {
        Some(file) => say(&format!("{} has {}", file.display(), counted(written, "row"))),
        None => Ok(()),
    }
}

/// Which moment of a store a backup holds.
fn moment(contents: &Contents) -> String {
    let rows = counted(contents.rows, "row");
    format!("as of record {} of the history {}, {} ({rows})", contents.sequence, contents.history, contents.at)
}

fn set_up_log(args: &LogArgs) -> Result<Log, String> {
    let filter = EnvFilter::try_new(&args.log).map_err(|error| format!("not a log filter: {error}"))?;
    let log = Log::start().map_err(|error| format!("cannot start the log: {error}"))?;
    let writer = log.clone();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || writer.clone());
    // What goes wrong with a line is counted; said on standard error, it would wait for whoever does not read that.
    let builder = builder.log_internal_errors(false);
    match args.log_format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    // The hook that is there by default writes to standard error, and waits for whoever reads it.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        tracing::error!(place, "a defect: a thread panicked: {}", panic.payload_as_str().unwrap_or("no message"));
    }));
    Ok(log)
}

fn say(text: &str) -> Result<(), String> {
    write_out(format!("{text}\n").as_bytes())
}

fn write_out(bytes: &[u8]) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|error| format!("cannot write to standard output: {error}")),
    }
}

fn fail(error: &str) -> ExitCode {
    // Where standard error is gone as well, the exit code is all there is.
    let _ = writeln!(std::io::stderr(), "error: {error}");
    ExitCode::FAILURE
}
