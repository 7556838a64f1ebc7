//! From the command line to what it asks for: as typed (args), then checked (config).

mod args;
pub mod config;
mod credentials;
mod dotenv;
pub mod flags;
mod headers;
mod help;
pub mod incidents;
mod plan;
mod rerun_args;
mod settings;
mod target;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod trust;
mod units;
mod url;
mod window;

use std::ffi::OsString;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;

use crate::cli::config::{
    BackfillConfig, DryRunConfig, ExportConfig, LiveConfig, PreviewConfig, PreviewForm,
    VerifyConfig,
};
pub use crate::cli::config::{Command, Invocation};
use crate::delivery::{Rerun, RetryLimits};
use crate::plan::Plan;
use crate::read_back::ReadConfig;
use crate::report::OutputConfig;
use args::{Args, Typed};
use flags::Verb;
pub use settings::Environment;
use settings::Settings;

use crate::error::{BadInput, Error};
use crate::http::Target;
use crate::series::TimestampMs;

/// Returns what the arguments behind the program's name ask for.
///
/// # Errors
/// Something that was typed, set or named cannot be used. Nothing has been sent then.
pub fn parse(
    raw: impl Iterator<Item = OsString>,
    environment: &Environment,
    now: TimestampMs,
) -> Result<Invocation, Error> {
    let (verb, args) = match args::parse(raw)? {
        Typed::ShortHelp(verb) => return Ok(printed(help::short(verb))),
        Typed::Help(verb) => return Ok(printed(help::long(verb))),
        Typed::Version => return Ok(printed(help::version())),
        Typed::Run(verb, args) => (verb, args),
    };
    let output = output(&args)?;
    if args.has("force") && !args.has("output") {
        return Err(args.bad("force", "is given without --output", "leave it out").into());
    }
    let mut warnings = Vec::new();
    let plan = plan::plan(verb, &args, now, &mut warnings)?;
    let mut check = Check { verb, args: &args, environment, warnings };
    let command = match verb {
        _ if args.has("dry-run") => Command::DryRun(Box::new(check.dry_run(plan)?)),
        Verb::Live => Command::Live(Box::new(check.live(plan)?)),
        Verb::Backfill if args.has("output") => {
            check.warnings.extend(late_for_blocks(&args, &plan, now));
            Command::Export(Box::new(export(&args, plan)?))
        }
        Verb::Backfill => Command::Backfill(Box::new(check.backfill(plan)?)),
        Verb::Preview => Command::Preview(Box::new(preview(&args, plan)?)),
        Verb::Verify => Command::Verify(Box::new(check.verify(plan)?)),
    };
    Ok(Invocation { command, output, warnings: check.warnings })
}

fn printed(text: String) -> Invocation {
    let (output, warnings) = (OutputConfig::default(), Vec::new());
    Invocation { command: Command::Print(text), output, warnings }
}

/// What it takes to check the flags of a verb that has a target.
struct Check<'a> {
    verb: Verb,
    args: &'a Args,
    environment: &'a Environment,
    warnings: Vec<String>,
}

/// Where to push, where to read if that was asked for, and the command that goes on.
type Receiver = (Target, Option<ReadConfig>, Rerun);

impl Check<'_> {
    fn live(&mut self, plan: Plan) -> Result<LiveConfig, Error> {
        let args = self.args;
        let (resume, verify) = (args.has("resume"), args.has("verify"));
        let patience = patience(args)?;
        let batch_size = args.parsed("batch-size", units::batch_size)?;
        let (target, read, rerun) = self.receiver(&plan, resume || verify)?;
        Ok(LiveConfig {
            plan,
            target,
            patience,
            batch_size,
            stale_marker: args.has("stale-marker"),
            read,
            resume,
            verify,
            rerun,
        })
    }

    fn backfill(&mut self, plan: Plan) -> Result<BackfillConfig, Error> {
        let patience = patience(self.args)?;
        let batch_size = self.args.parsed("batch-size", units::batch_size)?;
        let (resume, verify) = (self.args.has("resume"), self.args.has("verify"));
        let (target, read, rerun) = self.receiver(&plan, resume || verify)?;
        Ok(BackfillConfig { plan, target, patience, batch_size, read, resume, verify, rerun })
    }

    fn verify(&mut self, plan: Plan) -> Result<VerifyConfig, Error> {
        let (_, read, rerun) = self.receiver(&plan, true)?;
        Ok(VerifyConfig { plan, read: read.expect("it was asked for"), rerun })
    }

    /// Checks what `live` and `backfill` do, but for what only a run needs.
    fn dry_run(&mut self, plan: Plan) -> Result<DryRunConfig, Error> {
        let args = self.args;
        if args.has("output") {
            let problem = "is given together with --output, which sends nothing";
            return Err(args.bad("dry-run", problem, "leave one of them out").into());
        }
        let batch_size = args.parsed("batch-size", units::batch_size)?;
        let warnings = &mut self.warnings;
        let settings = Settings::load(self.environment, args.given("env-file"), warnings)?;
        let target = match target::choose(args, &settings) {
            Ok(choice) => {
                let target = target::check(&choice, args, &settings, warnings)
                    .map_err(|error| settings.without_secrets(error))?;
                if args.has("verify") || args.has("resume") {
                    target::check_read(&choice, &target, args, &settings)?;
                }
                Some(target)
            }
            Err(error) if args.has("url") || args.has("env") => return Err(error.into()),
            // What is missing for the run to take place is a warning here.
            Err(error) => {
                warnings.push(settings.without_secrets(error.into()).to_string());
                None
            }
        };
        let protocol = args.parsed("protocol", units::protocol)?;
        patience(args)?;
        let is_live = self.verb == Verb::Live;
        Ok(DryRunConfig { plan, batch_size, is_live, protocol, target })
    }

    fn receiver(&mut self, plan: &Plan, reads: bool) -> Result<Receiver, Error> {
        let (args, warnings) = (self.args, &mut self.warnings);
        let settings = Settings::load(self.environment, args.given("env-file"), warnings)?;
        let mut choose_and_check = || {
            let choice = target::choose(args, &settings)?;
            let target = target::check(&choice, args, &settings, warnings)?;
            Ok((choice, target))
        };
        let (choice, target) =
            choose_and_check().map_err(|error| settings.without_secrets(error))?;
        let read = match target::check_read(&choice, &target, args, &settings) {
            // What is given is checked, also where nothing is read.
            Err(error) if reads || args.has("read-url") => return Err(error),
            read => read.ok(),
        };
        // What verify misses is past, so it takes a backfill to repair it.
        let verb = if self.verb == Verb::Verify { Verb::Backfill } else { self.verb };
        let rerun = Rerun {
            resumes: read.is_some() && verb == Verb::Backfill,
            ..rerun_args::rerun(verb, args, (&choice, &target), plan.model.grid)
        };
        Ok((target, read.filter(|_| reads), rerun))
    }
}

fn export(args: &Args, plan: Plan) -> Result<ExportConfig, BadInput> {
    if let Some(read) = ["verify", "resume"].into_iter().find(|name| args.has(name)) {
        let problem = "is given together with --output";
        return Err(args.bad(read, problem, "leave one of them out"));
    }
    let path = match args.value("output") {
        "-" => None,
        file => Some(new_file(file, args)?),
    };
    Ok(ExportConfig { plan, path, is_replacing: args.has("force") })
}

/// Returns a warning for a file that ends too late to become blocks.
///
/// A Prometheus passes over what its write-ahead log has from before the end of its newest block,
/// at its next start, of every series. The log alone holds the last 3 hours: one and a half times
/// the length of its blocks, 2 hours.
fn late_for_blocks(args: &Args, plan: &Plan, now: TimestampMs) -> Option<String> {
    let end = TimestampMs((now.0 - 3 * 3_600_000).div_euclid(60_000) * 60_000);
    let time_of = |index| plan.model.grid.time_of(index);
    let start = time_of(plan.window.first_index);
    if time_of(plan.window.end_index() - 1) < end {
        return None;
    }
    let hint = if start >= end {
        "push it instead".to_owned()
    } else if args.has("since") {
        format!("give --start-epoch {start} --end-epoch {end} in place of --since")
    } else {
        format!("give --end-epoch {end}")
    };
    Some(format!(
        "--output: the window reaches into the last 3 hours, and blocks made of it would hide \
         what a Prometheus has of other series from that time; for blocks, {hint}"
    ))
}

fn preview(args: &Args, plan: Plan) -> Result<PreviewConfig, BadInput> {
    let columns = args.parsed_if_given("width", units::columns)?;
    let form = args.parsed("format", |text| match text {
        "chart" => Ok(PreviewForm::Chart { columns, is_ascii: args.has("ascii") }),
        "csv" => Ok(PreviewForm::Csv),
        _ => Err(units::unusable("is not a format", "give chart or csv")),
    })?;
    Ok(PreviewConfig { plan, form })
}

/// Returns the path of a file that is to be written, where none is lost.
fn new_file(file: &str, args: &Args) -> Result<PathBuf, BadInput> {
    let path = PathBuf::from(file);
    let bad = |problem, way_out| Err(args.bad("output", problem, way_out));
    if path.is_dir() {
        return bad("is a folder", "name a file in it");
    }
    if path.file_name().is_none() {
        return bad("is not the name of a file", "name a file, or - for stdout");
    }
    // A FIFO or /dev/null is written into, which loses nothing; a link counts as what it leads to.
    let is_replaced = match path.metadata() {
        Ok(metadata) => {
            let file_type = metadata.file_type();
            !file_type.is_fifo() && !file_type.is_char_device()
        }
        Err(_) => false,
    };
    if is_replaced && !args.has("force") {
        return bad("is there already", "name another file, or add --force to replace it");
    }
    Ok(path)
}

fn patience(args: &Args) -> Result<RetryLimits, BadInput> {
    Ok(RetryLimits {
        max_sample_age: args.parsed("max-sample-age", units::duration_or_zero)?,
        flush_timeout: args.parsed("flush-timeout", units::duration_or_zero)?,
    })
}

fn output(args: &Args) -> Result<OutputConfig, BadInput> {
    let json = args.parsed("log-format", |text| match text {
        "text" => Ok(false),
        "json" => Ok(true),
        _ => Err(units::unusable("is not a log format", "give text or json")),
    })?;
    let (quiet, verbose) = (args.has("quiet"), args.has("verbose"));
    if quiet && verbose {
        let problem = "is given together with --verbose";
        return Err(args.bad("quiet", problem, "leave one of them out"));
    }
    Ok(OutputConfig { quiet, verbose, json })
}

#[cfg(test)]
mod tests {
    use super::testing::{NOW_MS, check_error, start};
    use super::*;
    use crate::plan::Window;
    use crate::series::{Grid, NoiseParams, Period, Seasonality, Seed, Trend};

    #[track_caller]
    fn check(flags: &[&str], expected: &str) {
        check_error(&start().flags(flags), expected);
    }

    #[test]
    fn defaults_are_those_of_the_series() {
        let Invocation { command, output, warnings } = start().invocation();
        let Command::Live(config) = command else { panic!("is {command:?}") };
        let model = &config.plan.model;
        assert_eq!(model.trend, Trend::default());
        assert_eq!(model.noise, NoiseParams::default());
        assert_eq!(model.seasonality, Some(Default::default()));
        assert_eq!(model.weekly_seasonality, None);
        assert_eq!(model.utc_offset_ms, 0);
        let start = TimestampMs(NOW_MS - 250);
        assert_eq!(model.grid, Grid { origin: start, step_ms: 60_000 });
        assert_eq!(config.plan.window, Window { first_index: 0, tick_count: 30 });
        assert_eq!(config.plan.metric_name, "cpu");
        assert_eq!(config.plan.label_sets[0].to_string(), "{'cpu': 'lina_cp_avg'}");
        assert_eq!(config.plan.description, "Live metric data");
        assert_eq!(config.patience.flush_timeout.as_secs(), 60);
        assert_eq!(config.patience.max_sample_age.as_secs(), 3600);
        assert_eq!(config.target.timeout.as_secs(), 10);
        assert_eq!(output, OutputConfig::default());
        assert_eq!(warnings, Vec::<String>::new());
        assert!(!config.stale_marker);
    }

    #[test]
    fn required_flags_are_named_together() {
        let error = parse([].into_iter(), &Environment::default(), TimestampMs(0)).unwrap_err();
        let expected = "--metric-name, --labels, --duration: are required; see -h for an example";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn series_flags_arrive() {
        let flags = ["--seasonality", "none", "--seed", "7", "--utc-offset", "-01:30"];
        let more = ["--trend-unit", "1h", "--weekly-seasonality", "Sun=7"];
        let config = start().flags(&flags).flags(&more).live();
        let model = config.plan.model;
        let week = Seasonality::new(Period::Week, &[(8640, 7.0)]).unwrap();
        assert_eq!(model.weekly_seasonality, Some(week));
        assert_eq!(model.seasonality, None);
        assert_eq!(model.noise.seed, Seed(7));
        assert_eq!(model.utc_offset_ms, -5_400_000);
        assert_eq!(model.trend.unit_us, 3_600_000_000);
    }

    #[test]
    fn series_that_cannot_be_are_refused() {
        check(
            &["--trend-coefficient", "NaN"],
            "--trend-coefficient 'NaN': is not finite; give a number like 0.1 or -2e3",
        );
        check(&["--noise-std", "-1"], "--noise-std '-1': is negative; give 0 or more");
        check(
            &["--seed", "4294967295", "--labels", "a={1..2}"],
            "--seed '4294967295': is too large for 3 series, which count up from it; \
             give a smaller one",
        );
        check(
            &["--origin", "1", "--interval", "1s", "--labels", "a=1"],
            "--origin '1': is 1765969199 datapoints of 2 series before the window, \
             about 42 s of noise to draw first; give a nearer one",
        );
        check(
            &["--seasonality", "08:00=1,08:00=2"],
            "--seasonality '08:00=1,08:00=2': the seasonality has two knots at 08:00; keep one",
        );
        check(
            &["--weekly-seasonality", "Mon=1,Foo=2"],
            "--weekly-seasonality 'Mon=1,Foo=2': has knot 'Foo=2', which is not DAY[THH:MM]=V; \
             give none or knots like Mon=0,SatT08:30=-6,Sun=-8",
        );
    }

    #[test]
    fn a_file_for_blocks_ends_3_hours_ago() {
        let check = |flags: &[&str], hint: &str| {
            let warnings = start().flags(flags).flags(&["--output", "-"]).parse("backfill");
            let warning = warnings.unwrap().warnings.pop().unwrap_or_default();
            let shown = warning.rsplit_once("for blocks, ").map_or("", |(_, hint)| hint);
            assert_eq!(shown, hint, "{warning}");
        };
        let since = "give --start-epoch 1765882800 --end-epoch 1765958400 in place of --since";
        check(&["--since", "1d"], since);
        check(&["--since", "1h"], "push it instead");
        let from = ["--start-epoch", "1765950000", "--step-size", "1m", "--end-epoch"];
        let check_end = |end, hint| check(&[&from[..], &[end]].concat(), hint);
        check_end("1765958400", "");
        check_end("1765958401", "give --end-epoch 1765958400");
    }

    #[test]
    fn output_flags_are_checked() {
        let error = "--log-format 'xml': is not a log format; give text or json";
        check(&["--log-format", "xml"], error);
        let error = "--quiet: is given together with --verbose; leave one of them out";
        check(&["--quiet", "--verbose"], error);
        assert!(start().flags(&["--log-format=json"]).invocation().output.json);
    }
}
