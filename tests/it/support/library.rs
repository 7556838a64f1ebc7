//! What the library makes of arguments: what a run is to do, and every datapoint of it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;

use push_live_metrics::cli::{self, Command, CommandLine, Environment};
use push_live_metrics::commands::push::PushConfig;
use push_live_metrics::labels::Label;
use push_live_metrics::plan::Plan;
use push_live_metrics::report::OutputConfig;
use push_live_metrics::series::TimestampMs;

use super::wire::Point;

/// Returns an environment without variables and without files.
pub(crate) fn empty_environment() -> Environment {
    Environment::new(HashMap::new(), PathBuf::from("/nonexistent"))
}

/// Returns what the arguments of a live run are checked to.
#[track_caller]
pub(crate) fn live_config(args: &[OsString], now_ms: i64) -> (Box<PushConfig>, OutputConfig) {
    let invocation = parse(args, &empty_environment(), now_ms);
    match invocation.command {
        Command::Live(config) => (config, invocation.output),
        other => panic!("no live run: {other:?}"),
    }
}

/// Returns what these arguments of a live run or a backfill plan when they are typed at `now_ms`.
#[track_caller]
pub(crate) fn plan(args: &[OsString], environment: &Environment, now_ms: i64) -> Plan {
    match parse(args, environment, now_ms).command {
        Command::Live(config) => config.plan,
        Command::Backfill(config) => config.plan,
        other => panic!("nothing to push: {other:?}"),
    }
}

#[track_caller]
fn parse(args: &[OsString], environment: &Environment, now_ms: i64) -> CommandLine {
    cli::parse(args.iter().cloned(), environment, TimestampMs(now_ms))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Returns the datapoints of a plan, by time and labels.
pub(crate) fn points(plan: &Plan) -> Vec<Point> {
    let all = plan.label_sets.iter().zip(samples(plan));
    let mut points: Vec<Point> = all
        .flat_map(|(labels, samples)| {
            samples.map(|(timestamp_ms, value)| {
                let text = |(name, value): &Label| (name.to_string(), value.to_string());
                let labels = labels.pairs().iter().map(text).collect();
                Point { timestamp_ms, labels, bits: value.to_bits() }
            })
        })
        .collect();
    points.sort();
    points
}

/// Returns the datapoints of a plan of one series, as milliseconds and value.
#[track_caller]
pub(crate) fn only_samples(plan: &Plan) -> Vec<(i64, f64)> {
    assert_eq!(plan.label_sets.len(), 1, "series");
    samples(plan).flatten().collect()
}

fn samples(plan: &Plan) -> impl Iterator<Item = impl Iterator<Item = (i64, f64)>> {
    let end = plan.window.end_index();
    plan.iters_from(plan.window.first_index).map(move |mut iter| {
        let samples: Vec<_> = iter.before(end).collect();
        samples.into_iter().map(|sample| (sample.timestamp.0, sample.value))
    })
}
