//! What a run would send, decoded. Sends nothing, and reads no secret.

use crate::delivery::{Cut, DeliveryConfig};
use crate::error::{Error, Escaped, Exit};
use crate::http::Target;
use crate::plan::Plan;
use crate::remote_write::{self, Body, Version};
use crate::report::words::{count_of, step_in_words};
use crate::report::{Report, stdout};
use crate::series::{Sample, TimestampMs};

/// Samples that are shown from the window's start; after them its last one.
const FIRST_SAMPLES: usize = 3;
/// In a longer window the last sample is shown without its value, which takes a second to compute.
const LAST_DRAWN_MAX: u64 = 20_000_000;

/// What is known of a run that is only shown.
#[derive(Debug)]
pub struct DryRunConfig {
    /// The ticks that would be sent.
    pub plan: Plan,
    /// How they would be sent.
    pub delivery: DeliveryConfig,
    /// Whether each tick is sent alone, when it is due.
    pub is_live: bool,
    /// Where to, if that is known.
    pub target: Option<Target>,
}

/// Prints what the run would send to stdout.
///
/// # Errors
/// When stdout cannot take it.
pub fn run(config: &DryRunConfig, report: &Report) -> Result<Exit, Error> {
    let version = config.delivery.protocol.first_version();
    let mut lines = vec!["Dry run: nothing is sent.".to_owned(), String::new()];
    match &config.target {
        Some(target) => lines.extend(request_head(version, target)),
        None => lines.push("POST: no target is given".into()),
    }
    lines.push(String::new());
    lines.extend(content(&config.plan, version, report));
    lines.push(String::new());
    lines.extend(sizes(config, version));
    let parts = lines.into_iter().map(|line| line + "\n");
    stdout::print(parts).map(|()| Exit::Success).map_err(Error::on_stdout)
}

fn request_head(version: Version, target: &Target) -> Vec<String> {
    let url = target.shown_url();
    let mut lines = vec![format!("POST {url} (from {})", target.shown_source())];
    let headers = remote_write::headers(version);
    lines.extend(headers.iter().map(|(name, value)| format!("  {name}: {value}")));
    let own = target.shown_headers();
    lines.extend(own.iter().map(|(name, value)| format!("  {name}: {value}")));
    lines
}

/// Returns the labels, the metadata and the samples, as the message holds them.
fn content(plan: &Plan, version: Version, report: &Report) -> Vec<String> {
    let window = plan.window;
    let count = plan.label_sets.len() as u64;
    let of = if count == 1 { String::new() } else { format!(" of the first of {count} series") };
    let mut lines = vec![format!("Labels{of}, in the order of the message:")];
    let pairs = plan.label_sets[0].pairs().iter();
    lines.extend(pairs.map(|(name, value)| format!("  {name}=\"{}\"", Escaped(value))));
    let metric_type = plan.model.metric_type.name();
    lines.push(format!("Metadata: {metric_type}, help \"{}\"", Escaped(&plan.description)));
    let step = step_in_words(plan.model.grid.step_ms);
    let (series, planned) = (plan.series(0), plan.schedule_of(0..1));
    let sample_count = planned.count(window.ticks());
    lines.push(format!("Samples{of}: {sample_count}, 1 per {step}"));
    let at = |time: TimestampMs| format!("  {} ({})", time.0, report.local_time(time));
    let starts = plan.starts(0).filter(|_| version == Version::V2);
    let line = |Sample { timestamp, value }: Sample| {
        let start = starts.map(|starts| format!(", since {}", starts.time(timestamp).0));
        format!("{} {value:?}{}", at(timestamp), start.unwrap_or_default())
    };
    let Some(last) = planned.planned_end(window.ticks()).map(|end| end - 1) else {
        return lines;
    };
    let mut iter = series.iter_from(window.first_index);
    lines.extend(iter.before(last + 1).take(FIRST_SAMPLES).map(line));
    lines.extend((sample_count > FIRST_SAMPLES as u64 + 1).then(|| "  ...".to_owned()));
    if window.tick_count > LAST_DRAWN_MAX {
        lines.push(at(series.grid.time_of(last)));
    } else if sample_count > FIRST_SAMPLES as u64 {
        lines.extend(series.iter_from(last).before(last + 1).map(line));
    }
    lines
}

/// Returns how many requests there would be, and the size of the first one.
fn sizes(config: &DryRunConfig, version: Version) -> Vec<String> {
    let (plan, window) = (&config.plan, config.plan.window);
    let cut = Cut::new(plan, config.delivery.batch_size);
    let ticks_per_request = if config.is_live { 1 } else { cut.ticks_per_request };
    let batch_of = |index| (index - window.first_index) / ticks_per_request;
    let (mut request_count, mut firsts) = (0, Vec::new());
    for part in cut.parts {
        // A batch that is wholly in a gap is not sent.
        let mut end = 0;
        for ticks in plan.schedule_of(part.clone()).planned(window.ticks()) {
            let batches = batch_of(ticks.start).max(end)..batch_of(ticks.end - 1) + 1;
            if end == 0 {
                firsts.push((batches.start, part.clone()));
            }
            request_count += batches.end - batches.start;
            end = batches.end;
        }
    }
    let mut lines = vec![format!("Requests: {request_count}")];
    let first = firsts.into_iter().min_by_key(|(batch, _)| *batch);
    let Some((batch, part)) = first else { return lines };
    let start = window.first_index + batch * ticks_per_request;
    let end = window.end_index().min(start + ticks_per_request);
    let samples = part.clone().map(|k| plan.iter_from(k, start).before(end).collect());
    let samples: Vec<Vec<Sample>> = samples.collect();
    let first = plan.time_series(part, samples.iter().map(Vec::as_slice));
    let mut body = Body::default();
    let snappy_bytes = body.encode(version, &first, &plan.metadata()).len();
    let sample_count = samples.iter().map(Vec::len).sum::<usize>() as u64;
    lines.push(format!(
        "The first: {}, {} bytes of protobuf, {snappy_bytes} after snappy",
        count_of(sample_count, "sample"),
        body.message_bytes()
    ));
    lines
}
