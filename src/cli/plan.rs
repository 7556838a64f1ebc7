//! What a run is about, from flags: the series, and the window of their grid.

use super::args::Args;
use super::flags::Verb;
use super::{units, window};
use crate::error::BadInput;
use crate::labels;
use crate::plan::Plan;
use crate::series::{Incidents, NoiseParams, Seed, Series, TimestampMs, Trend};

/// Most deviates of noise that are drawn, and thrown away, before the first datapoint.
const SKIPPED_MAX: u64 = 1_000_000_000;
/// About what one of them takes, in nanoseconds.
const SKIPPED_NS: u64 = 12;

/// Returns what the flags of `verb` are about.
///
/// # Errors
/// A flag is missing, or cannot be used.
pub(super) fn plan(
    verb: Verb,
    args: &Args,
    now: TimestampMs,
    warnings: &mut Vec<String>,
) -> Result<Plan, BadInput> {
    check_required(verb, args)?;
    let (grid, window) = match verb {
        Verb::Live => window::live(args, now)?,
        Verb::Preview => window::preview(args, now)?,
        Verb::Backfill | Verb::Verify => window::past(args, now)?,
    };
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
        weekly_seasonality: args.parsed("weekly-seasonality", units::weekly_seasonality)?,
        noise: NoiseParams {
            mean: args.parsed("noise-mean", units::number)?,
            std: args.parsed("noise-std", units::positive_number)?,
            seed: Seed(args.parsed("seed", units::seed)?),
        },
        grid,
        utc_offset_ms: args.parsed("utc-offset", units::utc_offset_ms)?,
        incidents: Incidents::default(),
    };
    let (label_sets, description) = (parsed.label_sets, args.value("description").into());
    check_seeds(args, model.noise.seed, label_sets.len())?;
    // A run that resumes may begin as late as now.
    let begins_now = verb == Verb::Live && args.has("resume");
    let due = if begins_now { grid.index_at_or_before(now) } else { None };
    let index = window.first_index.max(due.unwrap_or(0).min(window.end_index()));
    check_skipped(args, index, label_sets.len())?;
    Ok(Plan { metric_name, label_sets, description, model, window })
}

fn check_required(verb: Verb, args: &Args) -> Result<(), BadInput> {
    let has = |name| args.has(name);
    let window = match verb {
        Verb::Live => ("--duration", has("duration") || has("end-epoch")),
        Verb::Preview => ("", true),
        Verb::Backfill | Verb::Verify => (
            "--since (or --start-epoch with --end-epoch)",
            has("since") || (has("start-epoch") && has("end-epoch")),
        ),
    };
    let missing: Vec<&str> =
        [("--metric-name", has("metric-name")), ("--labels", has("labels")), window]
            .into_iter()
            .filter_map(|(flag, given)| (!given).then_some(flag))
            .collect();
    let problem = match &missing[..] {
        [] => return Ok(()),
        [one] => format!("{one} is required"),
        [others @ .., last] => format!("{} and {last} are required", others.join(", ")),
    };
    Err(BadInput::new("", None, &problem, "see -h for an example"))
}

fn check_seeds(args: &Args, seed: Seed, series_count: usize) -> Result<(), BadInput> {
    let last = u32::try_from(series_count - 1).ok().and_then(|k| seed.0.checked_add(k));
    if last.is_some() {
        return Ok(());
    }
    let problem = format!("is too large for {series_count} series, which count up from it");
    Err(args.bad("seed", &problem, "give a smaller one"))
}

fn check_skipped(args: &Args, index: u64, series_count: usize) -> Result<(), BadInput> {
    let skipped = index.saturating_mul(series_count as u64);
    if skipped <= SKIPPED_MAX {
        return Ok(());
    }
    let seconds = skipped.saturating_mul(SKIPPED_NS) / 1_000_000_000;
    let problem = format!(
        "is {index} datapoints of {series_count} series before the window, \
         about {seconds} s of noise to draw first"
    );
    Err(args.bad("origin", &problem, "give a nearer one"))
}
