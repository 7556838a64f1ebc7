//! What a run would send, decoded. Sends nothing, and reads no secret.

use crate::delivery::{Cut, DeliveryConfig};
use crate::error::{Error, Escaped, Exit};
use crate::http::Target;
use crate::plan::Plan;
use crate::remote_write::{self, Body, TimeSeries, Version};
use crate::report::words::{counted, step_in_words};
use crate::report::{Report, stdout};
use crate::series::{Sample, TimestampMs};

/// Samples that are shown from the window's start; behind them its last one.
const FIRST_SAMPLES: u64 = 3;
/// Of a longer window the last one is shown by its time alone: its noise takes a second to draw.
const LAST_DRAWN_MAX: u64 = 100_000_000;

/// Everything that is known of a run that is not to take place.
#[derive(Debug)]
pub struct DryRunConfig {
    /// The ticks that would be sent.
    pub plan: Plan,
    /// How they would be.
    pub delivery: DeliveryConfig,
    /// Whether each tick goes alone, when its time has come.
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
        None => lines.push("POST to no target: none is named".into()),
    }
    lines.push(String::new());
    lines.extend(content(&config.plan, report));
    lines.push(String::new());
    lines.extend(sizes(config, version));
    let parts = lines.into_iter().map(|line| line + "\n");
    stdout::print(parts).map(|()| Exit::Success).map_err(Error::Stdout)
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
fn content(plan: &Plan, report: &Report) -> Vec<String> {
    let window = plan.window;
    let count = plan.label_sets.len() as u64;
    let of = if count == 1 { String::new() } else { format!(" of the first of {count} series") };
    let mut lines = vec![format!("Labels{of}, in the order of the message:")];
    let pairs = plan.label_sets[0].pairs().iter();
    lines.extend(pairs.map(|(name, value)| format!("  {name}=\"{}\"", Escaped(value))));
    lines.push(format!("Metadata: gauge, help \"{}\"", Escaped(&plan.description)));
    let step = step_in_words(plan.model.grid.step_ms);
    lines.push(format!("Samples{of}: {}, 1 per {step}", window.tick_count));
    let at = |time: TimestampMs| format!("  {} ({})", time.0, report.local_time(time));
    let line = |sample: Sample| format!("{} {:?}", at(sample.timestamp), sample.value);
    let first_count = window.tick_count.min(FIRST_SAMPLES);
    let first = (0..first_count).zip(plan.model.iter_from(window.first_index));
    lines.extend(first.map(|(_, sample)| line(sample)));
    lines.extend((window.tick_count > FIRST_SAMPLES + 1).then(|| "  ...".to_owned()));
    let last = window.end_index() - 1;
    if window.tick_count > LAST_DRAWN_MAX {
        lines.push(at(plan.model.grid.time_of(last)));
    } else if window.tick_count > FIRST_SAMPLES {
        lines.extend(plan.model.iter_from(last).next().map(line));
    }
    lines
}

/// Returns how many requests there would be, and the size of the first one.
fn sizes(config: &DryRunConfig, version: Version) -> [String; 2] {
    let (plan, window) = (&config.plan, config.plan.window);
    let cut = Cut::new(plan, config.delivery.batch_size);
    let ticks_per_request = if config.is_live { 1 } else { cut.ticks_per_request };
    let series_per_request = cut.parts[0].len();
    let ticks = ticks_per_request.min(window.tick_count);
    let tick_count = usize::try_from(ticks).expect("a request fits memory");
    let request_count = window.tick_count.div_ceil(ticks_per_request) * cut.parts.len() as u64;
    let iters = plan.iters_from(window.first_index).take(series_per_request);
    let samples: Vec<Vec<Sample>> = iters.map(|iter| iter.take(tick_count).collect()).collect();
    let first: Vec<TimeSeries<'_>> = plan
        .label_sets
        .iter()
        .zip(&samples)
        .map(|(labels, samples)| TimeSeries { labels, samples })
        .collect();
    let mut body = Body::default();
    let snappy_bytes = body.encode(version, &first, plan.metadata()).len();
    let sample_count = counted(ticks * series_per_request as u64, "sample");
    let size = format!("{} bytes of protobuf, {snappy_bytes} after snappy", body.message_bytes());
    [format!("Requests: {request_count}"), format!("The first: {sample_count}, {size}")]
}
