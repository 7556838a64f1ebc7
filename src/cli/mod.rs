//! From the command line to what it asks for: as typed (args), then checked (config).

mod args;
pub mod config;
mod credentials;
mod dotenv;
mod flags;
mod headers;
mod help;
mod rerun;
mod settings;
mod target;
#[cfg(test)]
mod testing;
mod units;
mod url;
mod window;

use std::ffi::OsString;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;

use args::{Args, Typed, bad_flag};
pub use config::Command;
use config::{
    BackfillConfig, Destination, DryRunConfig, LiveConfig, OutputConfig, Patience, PreviewConfig,
    PreviewForm, PushConfig, Rerun, SeriesConfig, VerifyConfig, Window,
};
use flags::Verb;
pub use settings::Environment;
use settings::Settings;

use crate::error::{BadInput, Error};
use crate::labels;
use crate::series::{Grid, NoiseParams, Seed, Series, TimestampMs, Trend};

/// Most deviates of noise that are drawn, and thrown away, before the first datapoint.
const SKIPPED_MAX: u64 = 1_000_000_000;
/// About what one of them takes, in nanoseconds.
const SKIPPED_NS: u64 = 12;

/// Returns what the arguments behind the program's name ask for.
///
/// # Errors
/// Something that was typed, set or named cannot be used. Nothing has been sent then.
pub fn parse(
    raw: impl Iterator<Item = OsString>,
    environment: &Environment,
    now: TimestampMs,
) -> Result<Command, Error> {
    Ok(match args::parse(raw)? {
        Typed::ShortHelp(verb) => Command::Print(help::short(verb)),
        Typed::Help(verb) => Command::Print(help::long(verb)),
        Typed::Version => Command::Print(help::version()),
        Typed::Run(verb, args) if args.has("dry-run") => {
            Command::DryRun(Box::new(dry_run(verb, &args, environment, now)?))
        }
        Typed::Run(Verb::Live, args) => Command::Live(Box::new(live(&args, environment, now)?)),
        Typed::Run(Verb::Backfill, args) => {
            Command::Backfill(Box::new(backfill(&args, environment, now)?))
        }
        Typed::Run(Verb::Preview, args) => Command::Preview(Box::new(preview(&args, now)?)),
        Typed::Run(Verb::Verify, args) => {
            Command::Verify(Box::new(verify(&args, environment, now)?))
        }
    })
}

fn live(args: &Args, environment: &Environment, now: TimestampMs) -> Result<LiveConfig, Error> {
    check_required(args, live_length(args))?;
    let mut warnings = Vec::new();
    let (resume, verify) = (args.has("resume"), args.has("verify"));
    if resume && !args.has("origin") && !args.has("start-epoch") {
        let way_out = "give the origin that the run to go on with logged at its start";
        return Err(bad_flag("resume", None, "needs --origin or --start-epoch", way_out).into());
    }
    let (grid, window) = window::live(args, now)?;
    let series = series(args, grid, window, &mut warnings)?;
    let patience = patience(args)?;
    let output = output(args)?;
    let settings = Settings::load(environment, args.given("env-file"), &mut warnings)?;
    let choice = target::choose(args, &settings)?;
    let target = target::check(&choice, args, &settings, &mut warnings)?;
    let read = (resume || verify)
        .then(|| target::check_read(&choice, &target, args, &settings))
        .transpose()?;
    Ok(LiveConfig {
        series,
        window,
        target,
        patience,
        stale_marker: args.has("stale-marker"),
        read,
        resume,
        verify,
        output,
        warnings,
        rerun: Rerun::new(Verb::Live, args, &choice, grid),
    })
}

/// Checks what `live` and `backfill` do, but for what only a run needs.
fn dry_run(
    verb: Verb,
    args: &Args,
    environment: &Environment,
    now: TimestampMs,
) -> Result<DryRunConfig, Error> {
    let mut warnings = Vec::new();
    let (grid, window) = if verb == Verb::Live {
        check_required(args, live_length(args))?;
        window::live(args, now)?
    } else {
        check_required(args, past_window(args))?;
        window::past(args, now)?
    };
    if verb == Verb::Backfill && args.has("output") {
        let problem = "is given together with --output, which sends nothing";
        return Err(bad_flag("dry-run", None, problem, "leave one of them out").into());
    }
    let series = series(args, grid, window, &mut warnings)?;
    let ticks_per_request = match verb {
        Verb::Backfill => {
            let batch_size = args.parsed("batch-size", units::batch_size)?;
            (batch_size / series.label_sets.len()).max(1) as u64
        }
        _ => 1,
    };
    let settings = Settings::load(environment, args.given("env-file"), &mut warnings)?;
    let target = target::if_known(args, &settings, &mut warnings)?;
    let protocol = args.parsed("protocol", units::protocol)?;
    patience(args)?;
    let output = output(args)?;
    Ok(DryRunConfig { series, window, ticks_per_request, protocol, target, output, warnings })
}

/// Returns what tells how long a live run is, and whether it was given.
fn live_length(args: &Args) -> (&'static str, bool) {
    ("--duration", args.has("duration") || args.has("end-epoch"))
}

/// Returns what tells a window of the past, and whether it was given.
fn past_window(args: &Args) -> (&'static str, bool) {
    let is_given = args.has("since") || (args.has("start-epoch") && args.has("end-epoch"));
    ("--since, or --start-epoch with --end-epoch", is_given)
}

fn preview(args: &Args, now: TimestampMs) -> Result<PreviewConfig, Error> {
    check_required(args, ("", true))?;
    let mut warnings = Vec::new();
    let (grid, window) = window::preview(args, now)?;
    let series = series(args, grid, window, &mut warnings)?;
    let columns = args.parsed_if_given("width", units::columns)?;
    let form = args.parsed("format", |text| match text {
        "chart" => Ok(PreviewForm::Chart { columns, is_ascii: args.has("ascii") }),
        "csv" => Ok(PreviewForm::Csv),
        _ => Err(units::unusable("is not a format", "give chart or csv")),
    })?;
    Ok(PreviewConfig { series, window, form, output: output(args)?, warnings })
}

fn backfill(
    args: &Args,
    environment: &Environment,
    now: TimestampMs,
) -> Result<BackfillConfig, Error> {
    check_required(args, past_window(args))?;
    let mut warnings = Vec::new();
    let (grid, window) = window::past(args, now)?;
    let series = series(args, grid, window, &mut warnings)?;
    let output = output(args)?;
    if args.has("verify") && args.has("output") {
        let problem = "is given together with --output";
        return Err(bad_flag("verify", None, problem, "leave one of them out").into());
    }
    if args.has("force") && !args.has("output") {
        return Err(bad_flag("force", None, "is given without --output", "leave it out").into());
    }
    let (destination, rerun) = match args.given("output") {
        Some("-") => (Destination::Stdout, Rerun::default()),
        Some(file) => (file_destination(file, args.has("force"))?, Rerun::default()),
        None => {
            let patience = patience(args)?;
            let batch_size = args.parsed("batch-size", units::batch_size)?;
            let settings = Settings::load(environment, args.given("env-file"), &mut warnings)?;
            let choice = target::choose(args, &settings)?;
            let target = target::check(&choice, args, &settings, &mut warnings)?;
            let read = args
                .has("verify")
                .then(|| target::check_read(&choice, &target, args, &settings))
                .transpose()?;
            let rerun = Rerun::new(Verb::Backfill, args, &choice, grid);
            let push = PushConfig { target, patience, batch_size, read };
            (Destination::Push(Box::new(push)), rerun)
        }
    };
    Ok(BackfillConfig { series, window, destination, output, warnings, rerun })
}

fn verify(args: &Args, environment: &Environment, now: TimestampMs) -> Result<VerifyConfig, Error> {
    check_required(args, past_window(args))?;
    let mut warnings = Vec::new();
    let (grid, window) = window::past(args, now)?;
    let series = series(args, grid, window, &mut warnings)?;
    let output = output(args)?;
    let settings = Settings::load(environment, args.given("env-file"), &mut warnings)?;
    let choice = target::choose(args, &settings)?;
    let target = target::check(&choice, args, &settings, &mut warnings)?;
    let read = target::check_read(&choice, &target, args, &settings)?;
    // What is missing is past, so it takes a backfill to repair it.
    let rerun = Rerun::new(Verb::Backfill, args, &choice, grid);
    Ok(VerifyConfig { series, window, read, output, warnings, rerun })
}

fn file_destination(file: &str, force: bool) -> Result<Destination, BadInput> {
    let path = PathBuf::from(file);
    let bad = |problem, way_out| Err(bad_flag("output", Some(file), problem, way_out));
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
    if is_replaced && !force {
        return bad("is there already", "name another file, or add --force to replace it");
    }
    Ok(Destination::File { path })
}

fn patience(args: &Args) -> Result<Patience, BadInput> {
    Ok(Patience {
        max_sample_age: args.parsed("max-sample-age", units::duration_or_zero)?,
        flush_timeout: args.parsed("flush-timeout", units::duration_or_zero)?,
    })
}

fn check_required(args: &Args, window: (&str, bool)) -> Result<(), BadInput> {
    let missing: Vec<&str> =
        [("--metric-name", args.has("metric-name")), ("--labels", args.has("labels")), window]
            .into_iter()
            .filter_map(|(flag, given)| (!given).then_some(flag))
            .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let problem = if missing.len() == 1 { "is required" } else { "are required" };
    Err(BadInput::new(&missing.join(", "), None, problem, "see -h for an example"))
}

fn series(
    args: &Args,
    grid: Grid,
    window: Window,
    warnings: &mut Vec<String>,
) -> Result<SeriesConfig, BadInput> {
    let metric_name = labels::sanitise_metric_name(args.value("metric-name"), warnings)?;
    let typed_labels: Vec<&str> = args.all("labels").collect();
    let mut parsed = labels::parse(&typed_labels, &metric_name)?;
    warnings.append(&mut parsed.warnings);
    let trend_unit = args.parsed("trend-unit", units::duration)?;
    let model = Series {
        trend: Trend {
            flat_base: args.parsed("flat-base", units::number)?,
            coefficient: args.parsed("trend-coefficient", units::number)?,
            unit_us: u64::try_from(trend_unit.as_micros()).expect("durations are bounded"),
        },
        seasonality: args.parsed("seasonality", units::seasonality)?,
        noise: NoiseParams {
            mean: args.parsed("noise-mean", units::number)?,
            std: args.parsed("noise-std", units::positive_number)?,
            seed: Seed(args.parsed("seed", units::seed)?),
        },
        grid,
        utc_offset_ms: args.parsed("utc-offset", units::utc_offset_ms)?,
    };
    check_seeds(args, model.noise.seed, parsed.label_sets.len())?;
    check_skipped(args, window, parsed.label_sets.len())?;
    let description = args.value("description").into();
    Ok(SeriesConfig { metric_name, label_sets: parsed.label_sets, description, model })
}

fn check_seeds(args: &Args, seed: Seed, series_count: usize) -> Result<(), BadInput> {
    let last = u32::try_from(series_count - 1).ok().and_then(|k| seed.0.checked_add(k));
    if last.is_some() {
        return Ok(());
    }
    let problem = format!("is too large for {series_count} series, which count up from it");
    Err(bad_flag("seed", args.given("seed"), &problem, "give a smaller one"))
}

fn check_skipped(args: &Args, window: Window, series_count: usize) -> Result<(), BadInput> {
    let index = window.first_index;
    let skipped = index.saturating_mul(series_count as u64);
    if skipped <= SKIPPED_MAX {
        return Ok(());
    }
    let seconds = skipped.saturating_mul(SKIPPED_NS) / 1_000_000_000;
    let problem = format!(
        "is {index} datapoints of {series_count} series before the window, \
         about {seconds} s of noise to draw first"
    );
    Err(bad_flag("origin", args.given("origin"), &problem, "give a nearer one"))
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
        return Err(bad_flag("quiet", None, problem, "leave one of them out"));
    }
    Ok(OutputConfig { quiet, verbose, json })
}

#[cfg(test)]
mod tests {
    use super::testing::{NOW_MS, Setup};
    use super::*;

    #[track_caller]
    fn check_error(flags: &[&str], expected: &str) {
        assert_eq!(Setup::default().flags(flags).error(), expected);
    }

    #[test]
    fn defaults_are_those_of_the_series() {
        let config = Setup::default().live();
        let model = &config.series.model;
        assert_eq!(model.trend, Trend::default());
        assert_eq!(model.noise, NoiseParams::default());
        assert_eq!(model.seasonality, Some(Default::default()));
        assert_eq!(model.utc_offset_ms, 0);
        let start = TimestampMs(NOW_MS - 250);
        assert_eq!(model.grid, Grid { origin: start, step_ms: 60_000 });
        assert_eq!(config.window, Window { first_index: 0, tick_count: 30 });
        assert_eq!(config.series.metric_name, "cpu");
        assert_eq!(config.series.label_sets[0].to_string(), "{'cpu': 'lina_cp_avg'}");
        assert_eq!(config.series.description, "Live metric data");
        assert_eq!(config.patience.flush_timeout.as_secs(), 60);
        assert_eq!(config.patience.max_sample_age.as_secs(), 3600);
        assert_eq!(config.target.timeout.as_secs(), 10);
        assert_eq!(config.output, OutputConfig::default());
        assert_eq!(config.warnings, Vec::<String>::new());
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
        let config = Setup::default().flags(&flags).flags(&["--trend-unit", "1h"]).live();
        let model = config.series.model;
        assert_eq!(model.seasonality, None);
        assert_eq!(model.noise.seed, Seed(7));
        assert_eq!(model.utc_offset_ms, -5_400_000);
        assert_eq!(model.trend.unit_us, 3_600_000_000);
    }

    #[test]
    fn series_that_cannot_be_are_refused() {
        check_error(
            &["--trend-coefficient", "NaN"],
            "--trend-coefficient 'NaN': is not finite; give a number like 0.1 or -2e3",
        );
        check_error(&["--noise-std", "-1"], "--noise-std '-1': is negative; give 0 or more");
        check_error(
            &["--seed", "4294967295", "--labels", "a={1..2}"],
            "--seed '4294967295': is too large for 3 series, which count up from it; \
             give a smaller one",
        );
        check_error(
            &["--origin", "1", "--interval", "1s", "--labels", "a=1"],
            "--origin '1': is 1765969199 datapoints of 2 series before the window, \
             about 42 s of noise to draw first; give a nearer one",
        );
        check_error(
            &["--seasonality", "08:00=1,08:00=2"],
            "--seasonality '08:00=1,08:00=2': the seasonality has two knots at 08:00; keep one",
        );
    }

    #[test]
    fn output_flags_are_checked() {
        let error = "--log-format 'xml': is not a log format; give text or json";
        check_error(&["--log-format", "xml"], error);
        let error = "--quiet: is given together with --verbose; leave one of them out";
        check_error(&["--quiet", "--verbose"], error);
        assert!(Setup::default().flags(&["--log-format=json"]).live().output.json);
    }
}
