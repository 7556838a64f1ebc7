//! Maps `run()` to an exit code.

use std::io::Write;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use push_live_metrics::cli::{self, Command, Environment};
use push_live_metrics::error::Error;
use push_live_metrics::series::TimestampMs;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where stderr is closed there is nobody to tell; the exit code stays right.
            let _ = writeln!(std::io::stderr(), "push-live-metrics: {error}");
            ExitCode::from(error.exit() as u8)
        }
    }
}

fn run() -> Result<(), Error> {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = TimestampMs(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX));
    match cli::parse(std::env::args_os().skip(1), &Environment::of_process(), now)? {
        Command::Print(text) => {
            let _ = std::io::stdout().write_all(text.as_bytes());
        }
        Command::Live(_config) => {}
    }
    Ok(())
}
