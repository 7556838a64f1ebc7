//! What a run is about, from flags and the time of the start: the series, and the window of its
//! grid.

use super::args::Args;
use super::flags::Verb;
use super::incidents;
use super::values;
use crate::error::{BadInput, unusable};
use crate::labels;
use crate::openmetrics;
use crate::plan::{Plan, Truth, Window};
use crate::series::{
    Grid, Incidents, MetricType, NoiseParams, Schedule, Seed, Series, TimestampMs, Trend,
};

/// Length of a preview's window by default.
const DAY_MS: i64 = 24 * 3_600_000;
/// Most datapoints of a window, for each series.
const TICK_COUNT_MAX: u64 = 1_000_000_000_000;
/// Maximum time to compute what precedes the first datapoint, in nanoseconds: 10^9 deviates.
const SKIPPED_NS_MAX: u64 = 1_000_000_000 * DEVIATE_NS;
/// Approximate time to draw and discard a deviate of noise, in nanoseconds.
const DEVIATE_NS: u64 = 12;
/// Approximate time to compute and add a value of a counter, in nanoseconds.
const SUMMED_NS: u64 = 50;

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
    let (grid, window) = window(verb, args, now)?;
    let metric_name =
        labels::sanitise_metric_name("--metric-name", args.value("metric-name"), warnings)?;
    let typed_labels: Vec<&str> = args.all("labels").collect();
    let label_sets = labels::parse(&typed_labels, &metric_name, warnings)?;
    let trend_unit = args.parsed("trend-unit", values::duration)?;
    let model = Series {
        metric_type: args.parsed("type", values::metric_type)?,
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
    check_seeds(args, model.noise.seed, label_sets.len())?;
    // A run that resumes may begin as late as now.
    let begins_now = verb == Verb::Live && args.has("resume");
    let due = if begins_now { grid.index_at_or_before(now) } else { None };
    let index = window.first_index.max(due.unwrap_or(0).min(window.end_index()));
    let mut plan = Plan {
        metric_name,
        label_sets,
        truth: None,
        description: args.value("description").into(),
        model,
        incidents: Vec::new(),
        by_series: Vec::new(),
        schedule: Schedule::default(),
        window,
    };
    check_name(&plan, args, warnings)?;
    incidents::add(&mut plan, &args.all("incident").collect::<Vec<_>>(), warnings)?;
    check_skipped(args, index, &plan)?;
    add_truth(&mut plan, args, warnings)?;
    plan.schedule = plan.schedule_of(0..plan.label_sets.len());
    // The end itself may be in the future, and what is before it in a gap.
    let last = plan.schedule.planned_end(window.ticks()).map(|end| grid.time_of(end - 1));
    if matches!(verb, Verb::Backfill | Verb::Verify) && last > Some(now) {
        let hint = "give an earlier one; live pushes future datapoints";
        return Err(args.bad("end-epoch", "is in the future", hint));
    }
    Ok(plan)
}

/// Checks that the metric has the name of a counter, if it is one.
fn check_name(plan: &Plan, args: &Args, warnings: &mut Vec<String>) -> Result<(), BadInput> {
    let (name, metric_type) = (&plan.metric_name, plan.model.metric_type);
    if openmetrics::family_name(name, metric_type).is_some() {
        return Ok(());
    }
    let problem = "is not a name that ends in _total, as that of a counter does";
    let hint = format!("give {name}_total");
    let error = args.bad("metric-name", problem, &hint);
    if args.has("output") {
        return Err(error);
    }
    warnings.push(error.to_string());
    Ok(())
}

/// Adds the series of `--truth-metric`, if it is given.
fn add_truth(plan: &mut Plan, args: &Args, warnings: &mut Vec<String>) -> Result<(), BadInput> {
    let Some(typed) = args.given("truth-metric") else { return Ok(()) };
    let metric_name = labels::sanitise_metric_name("--truth-metric", typed, warnings)?;
    let count = plan.label_sets.len();
    if metric_name == plan.metric_name {
        return Err(args.bad("truth-metric", "is the metric itself", "give another name"));
    }
    let family_name = openmetrics::family_name(&plan.metric_name, plan.model.metric_type);
    if args.has("output") && family_name == Some(&metric_name) {
        let problem = "is the name that the counter has in its # TYPE line";
        return Err(args.bad("truth-metric", problem, "give another name"));
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
    Err(unusable(problem, "see -h for an example"))
}

fn check_seeds(args: &Args, seed: Seed, series_count: usize) -> Result<(), BadInput> {
    let last = u32::try_from(series_count - 1).ok().and_then(|k| seed.0.checked_add(k));
    if last.is_some() {
        return Ok(());
    }
    let problem = format!("is too large for {series_count} series, which count up from it");
    Err(args.bad("seed", &problem, "give a smaller one"))
}

/// Checks the time to begin at the tick `index`: a gauge draws the noise before it, a counter also
/// sums its values since its last start.
fn check_skipped(args: &Args, index: u64, plan: &Plan) -> Result<(), BadInput> {
    let series_count = plan.own_count();
    let cost_ns = |k| {
        let start = plan.starts(k).map_or(index, |starts| starts.tick(index));
        start.saturating_mul(DEVIATE_NS).saturating_add((index - start).saturating_mul(SUMMED_NS))
    };
    let cost_ns = (0..series_count).map(cost_ns).fold(0, u64::saturating_add);
    if cost_ns <= SKIPPED_NS_MAX {
        return Ok(());
    }
    let work = match plan.model.metric_type {
        MetricType::Gauge => "noise to draw",
        MetricType::Counter => "values to sum",
    };
    let problem = format!(
        "is {index} datapoints of {series_count} series before the window, \
         about {} s of {work} first",
        cost_ns / 1_000_000_000
    );
    Err(args.bad("origin", &problem, "give a nearer one"))
}

/// Returns the grid and the window of a run. Its start is given, or now: at a whole second for
/// live, else at a tick. It ends before `--end-epoch`, after `--duration`, now (`--since`), or
/// after a day (preview).
///
/// # Errors
/// The window is empty, too long, or before the origin.
fn window(verb: Verb, args: &Args, now: TimestampMs) -> Result<(Grid, Window), BadInput> {
    let is_live = verb == Verb::Live || args.has("duration") || args.has("interval");
    let step_ms = match is_live {
        true => values::millis(args.parsed("interval", values::duration)?),
        false => values::millis(args.parsed("step-size", values::minutes)?),
    };
    let time = |name| args.parsed_if_given(name, values::time);
    let (origin, given_start) = (time("origin")?, time("start-epoch")?);
    let since = args.parsed_if_given("since", values::duration)?;
    let floor = |time_ms: i64| {
        let unit_ms = if is_live && origin.is_none() { 1000 } else { step_ms };
        let past_ms = time_ms - origin.map_or(0, |origin| origin.0);
        TimestampMs(time_ms - past_ms.rem_euclid(unit_ms))
    };
    let start = match given_start {
        Some(start) => start,
        None if verb == Verb::Live && args.has("resume") => origin.ok_or_else(|| {
            let hint = "give the origin that the interrupted run logged at its start";
            args.bad("resume", "needs --origin or --start-epoch", hint)
        })?,
        None => floor(now.0 - since.map_or(0, values::millis)),
    };
    let grid = Grid { origin: origin.unwrap_or(start), step_ms: step_ms.unsigned_abs() };
    let first_index = grid.index_at_or_after(start).ok_or_else(|| {
        let hint = "give an earlier one, or a later --start-epoch";
        args.bad("origin", "is after the start of the window", hint)
    })?;
    let end = match args.parsed_if_given("duration", values::minutes)?.map(values::millis) {
        Some(duration_ms) if duration_ms < step_ms => {
            let problem = format!("is shorter than the interval of {}", args.value("interval"));
            let hint = "give a longer one, or a shorter --interval";
            return Err(args.bad("duration", &problem, hint));
        }
        Some(duration_ms) => TimestampMs(grid.time_of(first_index).0 + duration_ms),
        None if since.is_some() => floor(now.0),
        None => time("end-epoch")?.unwrap_or(TimestampMs(start.0 + DAY_MS)),
    };
    let tick_count = grid.index_at_or_after(end).unwrap_or(0).saturating_sub(first_index);
    let flags = ["since", "duration", "end-epoch"];
    let flag = flags.into_iter().find(|flag| args.has(flag)).unwrap_or("start-epoch");
    if tick_count == 0 {
        let hint = "give a longer window, or a shorter step";
        return Err(args.bad(flag, "gives a window without a datapoint", hint));
    }
    if tick_count > TICK_COUNT_MAX {
        let problem = format!("gives a window of {tick_count} datapoints, over 10^12");
        return Err(args.bad(flag, &problem, "give a shorter window, or a longer step"));
    }
    Ok((grid, Window { first_index, tick_count }))
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
            "--origin '1765969200.251': is after the start of the window; \
             give an earlier one, or a later --start-epoch",
        );
    }

    #[test]
    fn with_origin_and_start_the_window_starts_at_the_first_datapoint_of_both() {
        check(&["--origin", "60", "--start-epoch", "60"], "60000 0 30");
        check(&["--origin", "60", "--start-epoch", "60.001"], "60000 1 30");
        check(&["--origin", "60", "--start-epoch", "120"], "60000 1 30");
        check(
            &["--origin", "60", "--start-epoch", "59.999"],
            "--origin '60': is after the start of the window; \
             give an earlier one, or a later --start-epoch",
        );
    }

    #[test]
    fn a_past_window_may_end_with_a_gap_that_is_not_over() {
        let window = ["--start-epoch=1765969000", "--end-epoch=1765969600", "--step-size=100s"];
        let error = "--end-epoch '1765969600': is in the future; give an earlier one; \
                     live pushes future datapoints";
        for (gap, expected) in [
            ("--incident=gap@300s+300s", "1765969000000 0 6"),
            ("--incident=gap@300s+200s", error),
            ("--incident=gap@0s+600s", "1765969000000 0 6"),
        ] {
            check_past(&[&window[..], &[gap]].concat(), expected);
        }
    }

    #[test]
    fn the_end_is_excluded() {
        let window = |end| ["--origin", "0", "--start-epoch", "60", "--end-epoch", end];
        check(&window("120"), "0 1 1");
        check(&window("120.001"), "0 1 2");
        check(&window("60.001"), "0 1 1");
        check(
            &window("60"),
            "--end-epoch '60': gives a window without a datapoint; \
             give a longer window, or a shorter step",
        );
        check(
            &[&window("95617583999")[..], &["--interval", "1ms"]].concat(),
            "--end-epoch '95617583999': gives a window of 95617583939000 datapoints, over 10^12; \
             give a shorter window, or a longer step",
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
        check_preview(&["--interval=1s"], "1765969200000 1000 0 86400");
    }

    #[test]
    fn previews_that_cannot_be_are_refused() {
        check_preview(
            &["--since", "100ms"],
            "--since '100ms': gives a window without a datapoint; \
             give a longer window, or a shorter step",
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
            &["--end-epoch", "3"],
            "--end-epoch '3': gives a window without a datapoint; \
             give a longer window, or a shorter step",
        );
        check_preview(
            &["--origin", "1765969201"],
            "--origin '1765969201': is after the start of the window; \
             give an earlier one, or a later --start-epoch",
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
             give the origin that the interrupted run logged at its start",
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
            "--end-epoch '60': gives a window without a datapoint; \
             give a longer window, or a shorter step",
        );
        check_past(
            &["--since", "1ms"],
            "--since '1ms': gives a window without a datapoint; \
             give a longer window, or a shorter step",
        );
        check_past(
            &["--since", "1h", "--origin", "1765969200"],
            "--origin '1765969200': is after the start of the window; \
             give an earlier one, or a later --start-epoch",
        );
    }
}
