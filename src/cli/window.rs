//! What a run is about, from flags and the time of the start: the series, and the window of its
//! grid.

use std::time::Duration;

use super::args::Args;
use super::flags::Verb;
use super::incidents;
use super::values::{self, DURATION_MS_MAX};
use crate::error::BadInput;
use crate::labels;
use crate::plan::{Plan, Truth, Window};
use crate::series::{Grid, Incidents, NoiseParams, Schedule, Seed, Series, TimestampMs, Trend};

/// What a preview shows where nothing else is said.
const DAY_MS: i64 = 24 * 3_600_000;
/// Most datapoints of a window, for each series.
const TICK_COUNT_MAX: u64 = 10_000_000_000;
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
        Verb::Live => live(args, now)?,
        Verb::Preview => preview(args, now)?,
        Verb::Backfill | Verb::Verify => past(args, now)?,
    };
    let metric_name =
        labels::sanitise_metric_name("--metric-name", args.value("metric-name"), warnings)?;
    let typed_labels: Vec<&str> = args.all("labels").collect();
    let mut parsed = labels::parse(&typed_labels, &metric_name)?;
    warnings.append(&mut parsed.warnings);
    let trend_unit = args.parsed("trend-unit", values::duration)?;
    let model = Series {
        trend: Trend {
            flat_base: args.parsed("flat-base", values::number)?,
            coefficient: args.parsed("trend-coefficient", values::number)?,
            unit_us: u64::try_from(trend_unit.as_micros()).expect("durations are bounded"),
        },
        seasonality: args.parsed("seasonality", values::seasonality)?,
        weekly_seasonality: args.parsed("weekly-seasonality", values::weekly_seasonality)?,
        noise: NoiseParams {
            mean: args.parsed("noise-mean", values::number)?,
            std: args.parsed("noise-std", values::positive_number)?,
            seed: Seed(args.parsed("seed", values::seed)?),
        },
        grid,
        utc_offset_ms: args.parsed("utc-offset", values::utc_offset_ms)?,
        incidents: Incidents::default(),
    };
    let (label_sets, description) = (parsed.label_sets, args.value("description").into());
    check_seeds(args, model.noise.seed, label_sets.len())?;
    // A run that resumes may begin as late as now.
    let begins_now = verb == Verb::Live && args.has("resume");
    let due = if begins_now { grid.index_at_or_before(now) } else { None };
    let index = window.first_index.max(due.unwrap_or(0).min(window.end_index()));
    check_skipped(args, index, label_sets.len())?;
    let (incidents, by_series) = (Vec::new(), Vec::new());
    let (truth, schedule) = (None, Schedule::default());
    let mut plan = Plan {
        metric_name,
        label_sets,
        truth,
        description,
        model,
        incidents,
        by_series,
        schedule,
        window,
    };
    incidents::add(&mut plan, &args.all("incident").collect::<Vec<_>>(), warnings)?;
    add_truth(&mut plan, args, warnings)?;
    plan.schedule = plan.schedule_of(0..plan.label_sets.len());
    Ok(plan)
}

/// Adds the series of `--truth-metric`, if it is given.
fn add_truth(plan: &mut Plan, args: &Args, warnings: &mut Vec<String>) -> Result<(), BadInput> {
    let Some(typed) = args.given("truth-metric") else { return Ok(()) };
    let metric_name = labels::sanitise_metric_name("--truth-metric", typed, warnings)?;
    let count = plan.label_sets.len();
    if metric_name == plan.metric_name {
        return Err(args.bad("truth-metric", "is the metric itself", "give another name"));
    }
    if 2 * count > labels::SERIES_COUNT_MAX {
        let problem =
            format!("makes {} series of {count}, over {}", 2 * count, labels::SERIES_COUNT_MAX);
        let hint = "run several commands, each with a part";
        return Err(args.bad("truth-metric", &problem, hint));
    }
    for k in 0..count {
        plan.label_sets.push(plan.label_sets[k].with_metric_name(&metric_name));
    }
    let help = format!("1 inside the known incidents of {}, 0 outside", plan.metric_name);
    plan.truth = Some(Truth { metric_name, help });
    Ok(())
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

/// The flags that a window is made of.
struct Times<'a> {
    args: &'a Args,
    now: TimestampMs,
    step_ms: u64,
    origin: Option<TimestampMs>,
    start: Option<TimestampMs>,
    end: Option<TimestampMs>,
}

/// Returns the window of a live run, or of a preview of one.
///
/// # Errors
/// The window is empty, too long, or before the origin.
fn live(args: &Args, now: TimestampMs) -> Result<(Grid, Window), BadInput> {
    Times::new(args, now, args.parsed("interval", values::duration)?)?.live()
}

/// Returns a window of the past: `--since`, or from `--start-epoch` to `--end-epoch`, whose end
/// is excluded.
///
/// # Errors
/// The window is empty, too large, in the future, or before the origin.
fn past(args: &Args, now: TimestampMs) -> Result<(Grid, Window), BadInput> {
    let times = Times::new(args, now, args.parsed("step-size", values::minutes)?)?;
    let (grid, window) = times.between()?;
    // The end itself may be to come: it is excluded.
    if grid.time_of(window.end_index() - 1) > now {
        let hint = "give one that is past; live pushes what is to come";
        return Err(args.bad("end-epoch", "is in the future", hint));
    }
    Ok((grid, window))
}

/// Returns the window that a preview shows: with `--duration` or `--interval` that of a live
/// run, else any of past or future; a day from now where nothing is given.
///
/// # Errors
/// The window is empty, too large, or before the origin.
fn preview(args: &Args, now: TimestampMs) -> Result<(Grid, Window), BadInput> {
    match (args.has("duration"), args.has("interval")) {
        (false, false) if args.has("since") => past(args, now),
        (false, false) => {
            Times::new(args, now, args.parsed("step-size", values::minutes)?)?.between()
        }
        (false, true) if !args.has("end-epoch") => {
            Err(args.bad("interval", "is given without --duration", "add --duration"))
        }
        _ => live(args, now),
    }
}

impl<'a> Times<'a> {
    fn new(args: &'a Args, now: TimestampMs, step: Duration) -> Result<Self, BadInput> {
        let time = |name| args.parsed_if_given(name, values::time);
        let [origin, start, end] = [time("origin")?, time("start-epoch")?, time("end-epoch")?];
        Ok(Self { args, now, step_ms: millis(step), origin, start, end })
    }

    /// Returns the window that starts now, unless flags say otherwise. It has every tick before
    /// its end, which `--duration` or `--end-epoch` gives.
    fn live(self) -> Result<(Grid, Window), BadInput> {
        let Self { args, now, step_ms, origin, start, .. } = self;
        if args.has("resume") && origin.or(start).is_none() {
            let hint = "give the origin that the run to go on with logged at its start";
            return Err(args.bad("resume", "needs --origin or --start-epoch", hint));
        }
        let this_second = TimestampMs(now.0 - now.0.rem_euclid(1000));
        let grid = Grid { origin: origin.or(start).unwrap_or(this_second), step_ms };
        let first_index = match (origin, start) {
            (None, _) => 0,
            (Some(_), Some(start)) => grid.index_at_or_after(start).ok_or_else(|| {
                let hint = "give a later one, or an earlier --origin";
                args.bad("start-epoch", "is before --origin", hint)
            })?,
            (Some(_), None) if args.has("resume") => 0,
            (Some(_), None) => grid.index_at_or_before(now).ok_or_else(|| {
                let hint = "give an earlier one, or --start-epoch to wait for it";
                args.bad("origin", "is in the future", hint)
            })?,
        };
        let tick_count = self.tick_count(grid.time_of(first_index))?;
        Ok((grid, Window { first_index, tick_count }))
    }

    /// Returns how many ticks there are from `first` on.
    fn tick_count(&self, first: TimestampMs) -> Result<u64, BadInput> {
        let (args, step_ms) = (self.args, self.step_ms);
        if let Some(duration) = args.parsed_if_given("duration", values::minutes)? {
            if millis(duration) < step_ms {
                let problem = format!("is shorter than the interval of {}", args.value("interval"));
                let hint = "give a longer one, or a shorter --interval";
                return Err(args.bad("duration", &problem, hint));
            }
            return Ok(millis(duration).div_ceil(step_ms));
        }
        let end = self.end.expect("one of both is required");
        let bad = |problem, hint| Err(args.bad("end-epoch", problem, hint));
        match end.0.abs_diff(first.0) {
            _ if end <= first => bad("is not after the first datapoint", "give a later one"),
            length_ms if length_ms > DURATION_MS_MAX => {
                bad("is over 10 years after the start", "give an earlier one")
            }
            length_ms => Ok(length_ms.div_ceil(step_ms)),
        }
    }

    /// Returns the window of `--since`, else from `--start-epoch` to `--end-epoch`; a day from now
    /// where they are not given.
    fn between(self) -> Result<(Grid, Window), BadInput> {
        let Self { args, now, step_ms, origin, .. } = self;
        let (start, end) = match args.parsed_if_given("since", values::duration)? {
            Some(since) => {
                let since_ms = i64::try_from(since.as_millis()).expect("durations are bounded");
                (self.floored(now.0 - since_ms), self.floored(now.0))
            }
            None => {
                let start = self.start.unwrap_or_else(|| self.floored(now.0));
                (start, self.end.unwrap_or(TimestampMs(start.0 + DAY_MS)))
            }
        };
        if self.start.is_some() && end <= start {
            return Err(args.bad("end-epoch", "is not after --start-epoch", "give a later one"));
        }
        let grid = Grid { origin: origin.unwrap_or(start), step_ms };
        let Some(first_index) = grid.index_at_or_after(start) else {
            let hint = "give an earlier one, or a later start";
            return Err(args.bad("origin", "is after the start of the window", hint));
        };
        let end_index = grid.index_at_or_after(end).unwrap_or(0);
        let flag = if args.has("since") { "since" } else { "end-epoch" };
        match end_index.saturating_sub(first_index) {
            0 => {
                let hint = "give a longer window, or a shorter --step-size";
                Err(args.bad(flag, "gives a window without a datapoint", hint))
            }
            tick_count if tick_count > TICK_COUNT_MAX => {
                let problem = format!("gives a window of {tick_count} datapoints, over 10^10");
                let hint = "give a shorter window, or a longer --step-size";
                Err(args.bad(flag, &problem, hint))
            }
            tick_count => Ok((grid, Window { first_index, tick_count })),
        }
    }

    /// Returns the latest tick at or before `ms` on the grid of the origin, else on 1970's.
    fn floored(&self, ms: i64) -> TimestampMs {
        let step_ms = i64::try_from(self.step_ms).expect("durations are bounded to 10 years");
        let origin_ms = self.origin.map_or(0, |origin| origin.0);
        TimestampMs(ms - (ms - origin_ms).rem_euclid(step_ms))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).expect("durations are bounded to 10 years")
}

#[cfg(test)]
mod tests {
    use super::super::testing::start;
    use super::Window;
    use crate::plan::Plan;
    use crate::series::Series;

    /// Shows origin, first index, tick count, or the error.
    #[track_caller]
    fn check_of(verb: &str, flags: &[&str], expected: &str) {
        let shown = match start().flags(flags).plan(verb) {
            Ok(Plan { model, window, .. }) => {
                format!("{} {} {}", model.grid.origin.0, window.first_index, window.tick_count)
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected);
    }

    #[track_caller]
    fn check(flags: &[&str], expected: &str) {
        check_of("", flags, expected);
    }

    #[track_caller]
    fn check_past(flags: &[&str], expected: &str) {
        check_of("verify", flags, expected);
    }

    // The tests' now is 1765969200.250.

    #[test]
    fn the_window_starts_now_at_a_whole_second() {
        check(&["--duration", "30"], "1765969200000 0 30");
        check(&["--duration", "1"], "1765969200000 0 1");
        check(&["--duration", "10s", "--interval", "20ms"], "1765969200000 0 500");
    }

    #[test]
    fn a_duration_has_every_datapoint_before_its_end() {
        let start = ["--start-epoch", "60"];
        for (duration, end, expected) in [
            ("60s", "120", "60000 0 1"),
            ("60001ms", "120.001", "60000 0 2"),
            ("90s", "150", "60000 0 2"),
            ("120s", "180", "60000 0 2"),
        ] {
            check(&[&start[..], &["--duration", duration]].concat(), expected);
            check(&[&start[..], &["--end-epoch", end]].concat(), expected);
        }
    }

    #[test]
    fn a_start_is_the_origin_where_none_is_given() {
        check(&["--start-epoch", "100.001", "--duration", "2"], "100001 0 2");
    }

    #[test]
    fn with_an_origin_the_window_starts_at_the_datapoint_that_is_due() {
        check(&["--origin", "1765969080", "--duration", "1"], "1765969080000 2 1");
        check(&["--origin", "1765969080.251", "--duration", "1"], "1765969080251 1 1");
        check(&["--origin", "1765969200.250", "--duration", "1"], "1765969200250 0 1");
        check(
            &["--origin", "1765969200.251"],
            "--origin '1765969200.251': is in the future; \
             give an earlier one, or --start-epoch to wait for it",
        );
    }

    #[test]
    fn with_origin_and_start_the_window_starts_at_the_first_datapoint_of_both() {
        check(&["--origin", "60", "--start-epoch", "60"], "60000 0 30");
        check(&["--origin", "60", "--start-epoch", "60.001"], "60000 1 30");
        check(&["--origin", "60", "--start-epoch", "120"], "60000 1 30");
        check(
            &["--origin", "60", "--start-epoch", "59.999"],
            "--start-epoch '59.999': is before --origin; give a later one, or an earlier --origin",
        );
    }

    #[test]
    fn the_end_is_excluded() {
        let window = |end| ["--origin", "0", "--start-epoch", "60", "--end-epoch", end];
        check(&window("120"), "0 1 1");
        check(&window("120.001"), "0 1 2");
        check(&window("60.001"), "0 1 1");
        check(
            &window("60"),
            "--end-epoch '60': is not after the first datapoint; give a later one",
        );
        check(
            &window("315619260.001"),
            "--end-epoch '315619260.001': is over 10 years after the start; give an earlier one",
        );
    }

    #[test]
    fn lengths_that_cannot_be_are_refused() {
        check(
            &["--duration", "59s"],
            "--duration '59s': is shorter than the interval of 60s; \
             give a longer one, or a shorter --interval",
        );
        check(
            &["--duration", "1", "--end-epoch", "60"],
            "--end-epoch '60': is given together with --duration; leave one of them out",
        );
        check(&["--interval", "0s"], "--interval '0s': is zero; give at least 1ms");
        check(
            &["--interval", "60"],
            "--interval '60': has no unit; \
             give a whole number and a unit: 20ms, 30s, 5m, 1h or 21d",
        );
        check(
            &["--start-epoch", "1765969200250"],
            "--start-epoch '1765969200250': looks like milliseconds; \
             give seconds, as in 1765969200",
        );
    }

    /// Shows start, step, first index and tick count of a preview, or the error.
    #[track_caller]
    fn check_preview(flags: &[&str], expected: &str) {
        let shown = match start().flags(flags).plan("preview") {
            Ok(Plan {
                model: Series { grid, .. },
                window: Window { first_index, tick_count },
                ..
            }) => {
                let start = grid.time_of(first_index);
                format!("{} {} {first_index} {tick_count}", start.0, grid.step_ms)
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_preview_shows_a_day_from_now_unless_told_otherwise() {
        check_preview(&[], "1765969200000 900000 0 96");
        check_preview(&["--step-size", "7"], "1765968960000 420000 0 206");
        check_preview(&["--since", "1h"], "1765965600000 900000 0 4");
        check_preview(&["--start-epoch", "60"], "60000 900000 0 96");
        check_preview(&["--start-epoch", "60", "--end-epoch", "961"], "60000 900000 0 2");
        check_preview(&["--origin", "0", "--since", "1h"], "1765965600000 900000 1962184 4");
    }

    #[test]
    fn a_preview_shows_what_a_live_run_would_push() {
        check_preview(&["--duration", "30"], "1765969200000 60000 0 30");
        check_preview(&["--duration=10s", "--interval=20ms"], "1765969200000 20 0 500");
        check_preview(&["--interval=1s", "--end-epoch=1765969300"], "1765969200000 1000 0 100");
    }

    #[test]
    fn previews_that_cannot_be_are_refused() {
        check_preview(
            &["--since", "100ms"],
            "--since '100ms': gives a window without a datapoint; \
             give a longer window, or a shorter --step-size",
        );
        check_preview(
            &["--since", "1d", "--duration", "3"],
            "--since '1d': is given together with --duration; leave one of them out",
        );
        check_preview(
            &["--since", "1d", "--end-epoch", "3"],
            "--end-epoch '3': is given together with --since; leave one of them out",
        );
        check_preview(
            &["--interval", "1s"],
            "--interval '1s': is given without --duration; add --duration",
        );
        check_preview(
            &["--end-epoch", "3"],
            "--end-epoch '3': gives a window without a datapoint; \
             give a longer window, or a shorter --step-size",
        );
        check_preview(
            &["--origin", "1765969201"],
            "--origin '1765969201': is after the start of the window; \
             give an earlier one, or a later start",
        );
    }

    #[test]
    fn a_run_that_resumes_starts_at_its_origin() {
        check(&["--origin", "1765969080", "--resume"], "1765969080000 0 30");
        check(&["--start-epoch", "1765969080", "--resume"], "1765969080000 0 30");
        let both = ["--origin", "1765969080", "--start-epoch", "1765969140", "--resume"];
        check(&both, "1765969080000 1 30");
        check(
            &["--resume"],
            "--resume: needs --origin or --start-epoch; \
             give the origin that the run to go on with logged at its start",
        );
    }

    #[test]
    fn a_past_window_has_two_ends_or_a_length() {
        let ends = ["--start-epoch", "900", "--end-epoch", "3601"];
        check_past(&ends, "900000 0 4");
        check_past(&[&ends[..], &["--step-size", "1"]].concat(), "900000 0 46");
        check_past(&[&ends[..], &["--origin", "0"]].concat(), "0 1 4");
        check_past(&[&ends[..], &["--origin", "1"]].concat(), "1000 1 3");
        // Now is 1765969200.250, which is 11:00.
        check_past(&["--since", "1h"], "1765965600000 0 4");
        check_past(&["--since", "1h", "--step-size", "7m"], "1765965600000 0 8");
        check_past(&["--since", "1h", "--origin", "1765965500"], "1765965500000 0 4");
    }

    #[test]
    fn past_windows_that_cannot_be_are_refused() {
        check_past(
            &[],
            "--since (or --start-epoch with --end-epoch) is required; see -h for an example",
        );
        check_past(
            &["--since", "1h", "--end-epoch", "60"],
            "--end-epoch '60': is given together with --since; leave one of them out",
        );
        check_past(
            &["--start-epoch", "60", "--end-epoch", "60"],
            "--end-epoch '60': is not after --start-epoch; give a later one",
        );
        check_past(
            &["--since", "1ms"],
            "--since '1ms': gives a window without a datapoint; \
             give a longer window, or a shorter --step-size",
        );
        check_past(
            &["--since", "1h", "--origin", "1765969200"],
            "--origin '1765969200': is after the start of the window; \
             give an earlier one, or a later start",
        );
    }
}
