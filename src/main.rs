//! Maps `run()` to an exit code; the only place that exits, but for the signal's last resort.

use std::env;
use std::process::{self, ExitCode};
use std::sync::Arc;

use push_live_metrics::cli::{self, Command, Environment};
use push_live_metrics::clock::{Clock, Interrupt, SystemClock, watch_signals};
use push_live_metrics::commands::backfill::Backfill;
use push_live_metrics::commands::dry_run;
use push_live_metrics::commands::export::Export;
use push_live_metrics::commands::live::Live;
use push_live_metrics::commands::preview;
use push_live_metrics::commands::verify::Verify;
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
    let interrupt = Arc::new(Interrupt::default());
    let clock = Arc::new(SystemClock::new(Arc::clone(&interrupt)));
    let invocation = cli::parse(env::args_os().skip(1), &Environment::of_process(), clock.now())?;
    // A help text needs no log.
    let report = || {
        let report = Arc::new(Report::to_stderr(invocation.output));
        for warning in &invocation.warnings {
            report.log(Level::Warning, "config", &[], warning);
        }
        report
    };
    match invocation.command {
        Command::Print(text) => {
            report::stdout::print([text]).map(|()| Exit::Success).map_err(Error::Stdout)
        }
        Command::Live(config) => {
            let live = Live::new(&config, report())?;
            watch_signals(&interrupt, live.last_resort(Arc::clone(&clock)));
            Ok(live.run(&*clock))
        }
        Command::Backfill(config) => {
            let backfill = Backfill::new(&config, report())?;
            watch_signals(&interrupt, backfill.last_resort(Arc::clone(&clock)));
            Ok(backfill.run(&*clock))
        }
        Command::Export(config) => {
            let export = Export::new(&config, report());
            watch_signals(&interrupt, export.last_resort());
            export.run(&*clock)
        }
        Command::Verify(config) => {
            let verify = Verify::new(&config, report())?;
            watch_signals(&interrupt, verify.last_resort());
            Ok(verify.run(&*clock))
        }
        Command::Preview(config) => {
            report(); // for its warnings
            preview::run(&config)
        }
        Command::DryRun(config) => dry_run::run(&config, &report()),
    }
}
