//! From the command line to what it asks for: as typed (args), then checked (config).

mod args;
mod config;
mod env;
pub mod flags;
mod help;
pub mod incidents;
mod receiver;
mod rerun_args;
#[cfg(test)]
mod testing;
mod values;
mod verdict;
mod window;

use std::ffi::OsString;

use args::Parsed;
use config::ConfigBuilder;
pub use env::Environment;
use env::Settings;
use flags::Verb;

use crate::commands::dry_run::DryRunConfig;
use crate::commands::export::ExportConfig;
use crate::commands::preview::PreviewConfig;
use crate::commands::push::PushConfig;
use crate::commands::verify::VerifyConfig;
use crate::error::Error;
use crate::report::OutputConfig;
use crate::series::TimestampMs;

/// What the command line asks for.
#[derive(Debug)]
pub struct CommandLine {
    /// What to do.
    pub command: Command,
    /// What is logged, and in which form.
    pub output: OutputConfig,
    /// Warnings, for the log's first lines.
    pub warnings: Vec<String>,
}

/// The command to run.
#[derive(Debug)]
pub enum Command {
    /// Print this text to stdout.
    Print(String),
    /// Push each datapoint when its time has come.
    Live(Box<PushConfig>),
    /// Push the past at once.
    Backfill(Box<PushConfig>),
    /// Write the past as OpenMetrics text.
    Export(Box<ExportConfig>),
    /// Read datapoints back and compare them.
    Verify(Box<VerifyConfig>),
    /// Draw or print a window.
    Preview(Box<PreviewConfig>),
    /// Show what a run would send.
    DryRun(Box<DryRunConfig>),
}

/// Tells whether an error in the arguments is to be reported as JSON, too.
pub fn wants_json(raw: impl Iterator<Item = OsString>) -> bool {
    let raw: Vec<OsString> = raw.collect();
    raw.iter().any(|arg| arg == "--log-format=json")
        || raw.windows(2).any(|pair| pair[0] == "--log-format" && pair[1] == "json")
}

/// Returns what the arguments after the program's name ask for.
///
/// # Errors
/// Something that was typed, set or named cannot be used. Nothing has been sent then.
pub fn parse(
    raw: impl Iterator<Item = OsString>,
    environment: &Environment,
    now: TimestampMs,
) -> Result<CommandLine, Error> {
    let (verb, args) = match args::parse(raw)? {
        Parsed::ShortHelp(verb) => return Ok(printed(help::short(verb))),
        Parsed::Help(verb) => return Ok(printed(help::long(verb))),
        Parsed::Version => return Ok(printed(help::version())),
        Parsed::Run(verb, args) => (verb, args),
    };
    let output = config::output(&args)?;
    let mut warnings = Vec::new();
    let plan = window::plan(verb, &args, now, &mut warnings)?;
    let command = match verb {
        Verb::Preview => Command::Preview(Box::new(config::preview(&args, plan)?)),
        Verb::Backfill if args.has("output") => {
            warnings.extend(config::late_for_blocks(&args, &plan, now));
            Command::Export(Box::new(config::export(&args, plan)?))
        }
        verb => {
            let settings = Settings::load(&args, environment, &mut warnings)?;
            let mut builder = ConfigBuilder { verb, settings, warnings: &mut warnings };
            match verb {
                _ if args.has("dry-run") => Command::DryRun(Box::new(builder.dry_run(plan)?)),
                Verb::Live => Command::Live(Box::new(builder.push(plan)?)),
                Verb::Verify => Command::Verify(Box::new(builder.verify(plan)?)),
                _ => Command::Backfill(Box::new(builder.push(plan)?)),
            }
        }
    };
    Ok(CommandLine { command, output, warnings })
}

fn printed(text: String) -> CommandLine {
    let (output, warnings) = (OutputConfig::default(), Vec::new());
    CommandLine { command: Command::Print(text), output, warnings }
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
        let CommandLine { command, output, warnings } = start().invocation();
        let Command::Live(config) = command else { panic!("is {command:?}") };
        let model = &config.plan.model;
        let trend = Trend { flat_base: 5.0, coefficient: 0.1, unit_us: 3_420_000_000 };
        assert_eq!(model.trend, trend);
        assert_eq!(model.noise, NoiseParams { mean: 0.0, std: 3.0, seed: Seed(42) });
        assert_eq!(model.seasonality, Some(Default::default()));
        assert_eq!(model.weekly_seasonality, None);
        assert_eq!(model.utc_offset_ms, 0);
        let start = TimestampMs(NOW_MS - 250);
        assert_eq!(model.grid, Grid { origin: start, step_ms: 60_000 });
        assert_eq!(config.plan.window, Window { first_index: 0, tick_count: 30 });
        assert_eq!(config.plan.metric_name, "cpu");
        assert_eq!(config.plan.label_sets[0].to_string(), "{'cpu': 'lina_cp_avg'}");
        assert_eq!(config.plan.description, "Live metric data");
        assert_eq!(config.delivery.limits.flush_timeout.as_secs(), 60);
        assert_eq!(config.delivery.limits.give_up_after.as_secs(), 3600);
        assert_eq!(config.target.timeout.as_secs(), 10);
        assert_eq!(output, OutputConfig::default());
        assert_eq!(warnings, Vec::<String>::new());
        assert!(!config.stale_marker);
    }

    #[test]
    fn required_flags_are_named_together() {
        let error = parse([].into_iter(), &Environment::default(), TimestampMs(0)).unwrap_err();
        let expected = "--metric-name, --labels and --duration are required; see -h for an example";
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
    fn beginning_a_counter_costs_the_values_since_its_last_start() {
        // 300 million seconds ago.
        let far = ["--origin", "1465969200", "--interval", "1s", "--type", "counter"];
        let expected = "--origin '1465969200': is 300000000 datapoints of 1 series before the \
                        window, about 15 s of values to sum first; give a nearer one";
        check(&far, expected);
        let reset = ["--incident", "reset@1d/100d,cpu=lina_cp_avg"];
        assert!(start().flags(&far).flags(&reset).parse("").is_ok());
        let of_one = ["--labels", "cpu=x", "--incident", "reset@1d/100d,cpu=x"];
        let expected = "--origin '1465969200': is 300000000 datapoints of 2 series before the \
                        window, about 18 s of values to sum first; give a nearer one";
        check(&[&far[..], &of_one].concat(), expected);
        assert!(start().flags(&far[..4]).parse("").is_ok());
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
