//! Maps `run()` to an exit code; only a signal's shutdown exits anywhere else.

use std::env;
use std::process::{self, ExitCode};
use std::sync::Arc;

use push_live_metrics::cli::{self, Command, Environment};
use push_live_metrics::clock::{Clock, SystemClock};
use push_live_metrics::commands::push::{Push, PushConfig};
use push_live_metrics::commands::{backfill, dry_run, export, live, preview, verify};
use push_live_metrics::error::{Error, Exit};
use push_live_metrics::report::{self, Level, Report};

fn main() -> ExitCode {
    let is_json = cli::wants_json(env::args_os());
    report::on_panic(is_json, |exit| process::exit(i32::from(exit as u8)));
    let exit = run().unwrap_or_else(|error| {
        report::print_error(&error.to_string(), error.exit(), is_json);
        error.exit()
    });
    ExitCode::from(exit as u8)
}

fn run() -> Result<Exit, Error> {
    let clock = Arc::new(SystemClock::default());
    let command_line = cli::parse(env::args_os().skip(1), &Environment::of_process(), clock.now())?;
    // A help text needs no log.
    let report = || {
        let report = Arc::new(Report::to_stderr(command_line.output));
        for warning in &command_line.warnings {
            report.log(Level::Warning, "config", &[], warning);
        }
        report
    };
    let push = |config: &PushConfig, run: fn(&Push<'_>, &dyn Clock) -> Exit| {
        let push = Push::new(config, report())?;
        clock.watch_signals(push.shutdown(&clock));
        Ok(run(&push, &*clock))
    };
    match command_line.command {
        Command::Print(text) => {
            report::stdout::print([text]).map(|()| Exit::Success).map_err(Error::on_stdout)
        }
        // Never freed: that would take a tenth of the time of a tick of ten thousand series.
        Command::Live(config) => push(Box::leak(config), live::run),
        Command::Backfill(config) => push(Box::leak(config), backfill::run),
        Command::Export(config) => export::run(&config, &report(), &clock),
        Command::Verify(config) => verify::run(&config, &report(), &clock),
        Command::Preview(config) => {
            report(); // for its warnings
            preview::run(&config)
        }
        Command::DryRun(config) => dry_run::run(&config, &report()),
    }
}
