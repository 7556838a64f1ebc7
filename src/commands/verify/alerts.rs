//! Reads what alerts did in a window, and has it judged, chunk by chunk.
//!
//! Only reads. Memory is flat in the length of the window.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use super::Verify;
use super::judge::{Judge, OF_THE_ALERT, PAUSE_MAX_MS, Terms, Verdict};
use super::verdict::{quoted, shown_labels};
use crate::clock::SLICE_MAX;
use crate::error::Exit;
use crate::labels::LabelSet;
use crate::plan::{Plan, show_duration};
use crate::read_back::{
    ANSWER_BYTES_MAX, AllSeries, Query, ReadConfig, ReadError, Reader, TimeRange,
};
use crate::report::words::{count_of, rounded_seconds};
use crate::report::{Field, Report};
use crate::series::{Occurrence, TimestampMs};

/// Longest range that is read at once.
const CHUNK_MS: i64 = 24 * 3_600_000;
/// After a range with fewer samples the next one is twice as long.
const FEW_SAMPLES: usize = 10_000;
/// Shortest range, and the largest answer that is accepted for it.
const CHUNK_MIN_MS: i64 = 60_000;
const LARGE_BYTES_MAX: usize = 8 * ANSWER_BYTES_MAX;
/// Other alerts that a hint names.
const NAMES_MAX: usize = 10;

/// Alerts that are to notice incidents.
#[derive(Debug)]
pub struct VerdictConfig {
    /// Any of these.
    pub alerts: Vec<Alert>,
    /// How soon.
    pub terms: Terms,
    /// Where they are read, if not where datapoints are.
    pub read: Option<ReadConfig>,
}

/// Something that fires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alert {
    /// The alert of this name, as `ALERTS` has it.
    Rule(String),
    /// The metric of this name, where it is neither 0 nor absent.
    Detector(String),
}

impl Alert {
    /// Returns its name.
    pub fn name(&self) -> &str {
        let (Alert::Rule(name) | Alert::Detector(name)) = self;
        name
    }

    /// Returns the labels that its series have.
    /// Source: prometheus.io, "Alerting rules", the series `ALERTS`.
    fn labels(&self) -> LabelSet {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        match self {
            Alert::Rule(name) => {
                let labels = vec![pair("alertname", name), pair("alertstate", "firing")];
                LabelSet::new("ALERTS", labels)
            }
            Alert::Detector(metric) => LabelSet::new(metric, Vec::new()),
        }
    }
}

impl VerdictConfig {
    fn longest_ms(&self) -> i64 {
        self.terms.fires_within_ms.max(self.terms.resolves_within_ms)
    }

    /// Logs what is going to be judged, and by what.
    pub(crate) fn announce(&self, plan: &Plan, report: &Report) {
        let joined = |shown: fn(&str) -> String| {
            let names = self.alerts.iter().map(|alert| shown(alert.name()));
            names.collect::<Vec<_>>().join(", ")
        };
        let incidents = match plan.incidents.len() as u64 {
            0 => "no incident is given, so any firing is a false alarm".into(),
            count => count_of(count, "incident"),
        };
        let Terms { fires_within_ms, resolves_within_ms } = self.terms;
        let shown = |ms: i64| show_duration(Duration::from_millis(ms.unsigned_abs()));
        let [fires, resolves] = [fires_within_ms, resolves_within_ms].map(shown);
        let text = format!(
            "Judging {} by the incidents: {incidents}; fires within {fires}, resolves within \
             {resolves}",
            joined(quoted)
        );
        report.info("judging", &[("alert", Field::Text(&joined(str::to_owned)))], &text);
    }
}

/// Waits until every alert can have fired, reads them, and logs the verdict; returns the exit code.
pub(super) fn judge(verify: Verify<'_>, config: &VerdictConfig) -> Exit {
    let source = verify.read_back.alerts.as_ref().unwrap_or(&verify.read_back.source);
    let reader = Reader::new(verify.clock, verify.report, source);
    let mut judging = Judging { verify, config, reader };
    match judging.verdict() {
        Ok((verdict, hints)) => judging.print(&verdict, &hints),
        Err(error) => verify.read_failed(&error),
    }
}

/// The reading of alerts, and their verdict.
pub(super) struct Judging<'a> {
    pub(super) verify: Verify<'a>,
    pub(super) config: &'a VerdictConfig,
    reader: Reader<'a>,
}

impl Judging<'_> {
    /// Returns the verdict, and what may be wrong with alerts that were not seen.
    fn verdict(&mut self) -> Result<(Verdict, Vec<String>), ReadError> {
        let Verify { plan, clock, .. } = self.verify;
        let Range { mut start, end } = plan.times();
        let (longest_ms, mut until) = (self.config.longest_ms(), end);
        for named in &plan.incidents {
            for Occurrence { times, .. } in
                plan.model.occurrences(&named.incident, plan.window.ticks())
            {
                start = start.min(times.start);
                until = until.max(TimestampMs(times.end.min(end).0 + longest_ms));
            }
        }
        self.wait(until)?;
        // From before the first incident, to tell whether an alert was already firing, to the last
        // time at which one may fire for an incident.
        let range = TimeRange {
            start: TimestampMs(start.0 - PAUSE_MAX_MS),
            end: TimestampMs(end.0 + longest_ms),
        };
        let mut verdict = self.read(range)?;
        // The newest samples may not show yet: of what is good, those of a false alarm.
        let TimestampMs(newest_ms) = if verdict.is_good() { end } else { until };
        let since_ms = u64::try_from(clock.now().0 - newest_ms).unwrap_or(0);
        let left = self.reader.shows_within().saturating_sub(Duration::from_millis(since_ms));
        if !left.is_zero() {
            clock.sleep(left).map_err(|_| ReadError::Interrupted)?;
            verdict = self.read(range)?;
        }
        let hints = self.hints(&verdict, range);
        Ok((verdict, hints))
    }

    /// Waits until `time`, and shows for how long.
    fn wait(&self, time: TimestampMs) -> Result<(), ReadError> {
        let Verify { report, clock, .. } = self.verify;
        let left_ms = || u64::try_from(time.0 - clock.now().0).unwrap_or(0);
        if left_ms() == 0 {
            return Ok(());
        }
        let left_s = left_ms() as f64 / 1000.0;
        let fields = [("delay_s", Field::Value(left_s)), ("until", Field::Time(time))];
        let (left, until) = (rounded_seconds(left_ms()), report.local_time(time));
        let text = format!("Waiting for {left}, until {until}: an alert may still fire until then");
        report.info("waiting", &fields, &text);
        while left_ms() > 0 {
            report.status(&format!("verdict in {} s", left_ms().div_ceil(1000)));
            let slice = clock.left_until(time).min(SLICE_MAX);
            clock.sleep(slice).map_err(|_| ReadError::Interrupted)?;
        }
        report.status("");
        Ok(())
    }

    /// Reads the alerts of a range, without its last millisecond, and judges them.
    fn read(&mut self, range: TimeRange) -> Result<Verdict, ReadError> {
        let (Verify { plan, clock, .. }, alerts) = (self.verify, &self.config.alerts);
        let reader = &mut self.reader;
        let mut judge = Judge::new(plan, self.config.terms, alerts.len());
        let pairs = plan.label_sets.iter().flat_map(LabelSet::pairs);
        let mut ours = BTreeSet::new();
        ours.extend(pairs.map(|(name, value)| (&**name, &**value)));
        let (mut start, mut chunk_ms) = (range.start, CHUNK_MS);
        while start < range.end {
            if clock.is_interrupted() {
                return Err(ReadError::Interrupted);
            }
            let end = TimestampMs(start.0.saturating_add(chunk_ms)).min(range.end);
            let range = TimeRange { start, end: TimestampMs(end.0 - 1) };
            let read_one = |alert: &Alert| read_alert(reader, (alert, range), &ours);
            let found: Vec<AllSeries> = match alerts.iter().map(read_one).collect() {
                Err(ReadError::TooLarge) if end.0 - start.0 > CHUNK_MIN_MS => {
                    chunk_ms = (end.0 - start.0) / 2;
                    continue;
                }
                // Ten thousand alerts that fire at once, whatever their time.
                Err(ReadError::TooLarge) if reader.answer_bytes_max < LARGE_BYTES_MAX => {
                    reader.answer_bytes_max = LARGE_BYTES_MAX;
                    continue;
                }
                found => found?,
            };
            for (alert, all) in found.iter().enumerate() {
                for (labels, samples) in all.iter().filter(|(_, samples)| !samples.is_empty()) {
                    judge.add(alert, labels, samples);
                }
            }
            judge.advance(end);
            start = end;
            // Longer again, after a time with many firing alerts.
            let sample_count: usize = found.iter().flat_map(AllSeries::values).map(Vec::len).sum();
            if sample_count < FEW_SAMPLES {
                chunk_ms = (chunk_ms * 2).min(CHUNK_MS);
            }
        }
        Ok(judge.finish())
    }

    /// Returns what may be wrong with alerts that were never seen, or never resolve.
    fn hints(&mut self, verdict: &Verdict, range: TimeRange) -> Vec<String> {
        let all = self.config.alerts.iter().zip(&verdict.by_alert);
        let unseen = all.filter(|(_, counts)| counts.series_count == 0);
        let always = "all alerts were firing already: do they ever resolve?";
        let always = verdict.is_always_firing().then_some(always);
        unseen
            .map(|(alert, counts)| match (&counts.foreign, alert) {
                (Some(labels), _) => {
                    let (name, labels) = (quoted(alert.name()), shown_labels(labels));
                    format!("{name} has the labels of no series of this run: {labels}")
                }
                (None, Alert::Detector(name)) => format!("there is no series {}", quoted(name)),
                (None, Alert::Rule(name)) => hint_of_unseen(name, &mut self.reader, range),
            })
            .chain(always.map(String::from))
            .collect()
    }
}

/// Reads the series of an alert.
///
/// A label with another value than ours may be one that the receiver adds to whatever is read from
/// it, as external labels are: then the series is also there when it is asked for without one.
fn read_alert(
    reader: &mut Reader<'_>,
    (alert, range): (&Alert, TimeRange),
    ours: &BTreeSet<(&str, &str)>,
) -> Result<AllSeries, ReadError> {
    let (labels, mut found, mut all) = (alert.labels(), AllSeries::new(), AllSeries::new());
    let query = Query { labels: &labels, other_names: &BTreeSet::new(), range };
    reader.read_all(query, &mut found)?;
    let is_other = |name: &str, value: &str| {
        let first = ours.range((name, "")..).next();
        first.is_some_and(|(own, _)| *own == name) && !ours.contains(&(name, value))
    };
    let others = found.keys().flatten().filter(|(name, value)| is_other(name, value));
    // Sets are not collected here: that would bring a sort for each type, 5 KB of the binary.
    let mut other_names = BTreeSet::new();
    other_names.extend(others.map(|(name, _)| name.clone()));
    other_names.retain(|name: &String| !OF_THE_ALERT.contains(&name.as_str()));
    // One by one: a label may be the receiver's on one series, and another's own on the next.
    let mut added = Vec::new();
    for name in other_names {
        let (mut without, mut bare) = (BTreeSet::new(), AllSeries::new());
        without.insert(name);
        reader.read_all(Query { other_names: &without, ..query }, &mut bare)?;
        added.push((without, bare));
    }
    all.extend(found.into_iter().map(|(mut labels, samples)| {
        let with_it = added.iter().filter(|(_, bare)| bare.contains_key(&labels));
        let names: Vec<_> = with_it.flat_map(|(without, _)| without).collect();
        labels.retain(|name, _| !names.contains(&name));
        (labels, samples)
    }));
    Ok(all)
}

/// Returns what may be wrong with an alert that never fired.
fn hint_of_unseen(name: &str, reader: &mut Reader<'_>, range: TimeRange) -> String {
    let (mut found, all) = (AllSeries::new(), LabelSet::new("ALERTS", Vec::new()));
    let query = Query { labels: &all, other_names: &BTreeSet::new(), range };
    let result = reader.read_all(query, &mut found);
    let mut names = BTreeSet::new();
    names.extend(found.keys().filter_map(|labels| labels.get("alertname")).map(String::as_str));
    if names.contains(name) {
        return format!("{} was pending and never fired: is its 'for' too long?", quoted(name));
    }
    let others: Vec<String> = names.iter().take(NAMES_MAX).map(|name| quoted(name)).collect();
    let others = match (result, others.len()) {
        (Err(_), _) => String::new(),
        (_, 0) => " No other alert was pending or fired".into(),
        _ => format!(" Others were pending or fired: {}", others.join(", ")),
    };
    format!("{} never fired: is the name right?{others}", quoted(name))
}
