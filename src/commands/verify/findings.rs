//! What a check found: counts, the first of each kind, and the words for them.

use std::ops::Range;

use super::Subject;
use super::compare::Finding;
use crate::delivery::{IndexRange, Missing, Ranges, Remedy};
use crate::error::Exit;
use crate::labels::LabelSet;
use crate::plan::Plan;
use crate::report::words::counted;
use crate::report::{Field, Level, Report};
use crate::series::{Sample, TimestampMs};

/// Differences beyond this many are counted, not kept.
const DIFFERENCES_MAX: usize = 10;
/// The shortest `-retentionPeriod` that VictoriaMetrics takes, in milliseconds.
const RETENTION_MIN_MS: i64 = 24 * 3_600_000;

/// What was found so far. Counts are in samples.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    matching: u64,
    missing: u64,
    different: u64,
    unexpected: u64,
    duplicates: u64,
    differences: Vec<Difference>,
    first_unexpected: Option<Sample>,
    missing_ticks: Ranges,
    last_there: Option<u64>,
}

/// What was found in a chunk.
#[derive(Debug, Default)]
pub(crate) struct Part {
    /// Samples that are not there.
    pub(super) missing: u64,
    matching: u64,
    /// Samples that have another value.
    pub(crate) different: u64,
    unexpected: u64,
    duplicates: u64,
    differences: Vec<Difference>,
    first_unexpected: Option<Sample>,
    /// By tick, whether a series has no sample there.
    is_missing: Vec<bool>,
}

#[derive(Debug)]
struct Difference {
    labels: LabelSet,
    timestamp: TimestampMs,
    expected: f64,
    found: f64,
}

impl Part {
    /// Returns what is to be found of so many ticks.
    pub(crate) fn new(tick_count: usize) -> Self {
        Self { is_missing: vec![false; tick_count], ..Self::default() }
    }

    /// Notes what was found of the series with these labels.
    pub(crate) fn note(&mut self, labels: &LabelSet, finding: Finding) {
        match finding {
            Finding::Matching => self.matching += 1,
            Finding::Duplicate => self.duplicates += 1,
            Finding::Missing { tick } => {
                self.missing += 1;
                self.is_missing[tick] = true;
            }
            Finding::Different { timestamp, expected, found } => {
                self.different += 1;
                if self.differences.len() < DIFFERENCES_MAX {
                    let labels = labels.clone();
                    self.differences.push(Difference { labels, timestamp, expected, found });
                }
            }
            Finding::Unexpected(sample) => {
                self.unexpected += 1;
                self.first_unexpected.get_or_insert(sample);
            }
        }
    }
}

impl Findings {
    /// Adds a chunk, which begins at tick `first`; chunks come in the order of time.
    pub(crate) fn add(&mut self, first: u64, part: Part) {
        self.matching += part.matching;
        self.missing += part.missing;
        self.different += part.different;
        self.unexpected += part.unexpected;
        self.duplicates += part.duplicates;
        let room = DIFFERENCES_MAX - self.differences.len();
        self.differences.extend(part.differences.into_iter().take(room));
        self.first_unexpected = self.first_unexpected.or(part.first_unexpected);
        for (index, is_missing) in (first..).zip(part.is_missing) {
            if is_missing {
                let remedy = Remedy::Send;
                self.missing_ticks.add(IndexRange { first: index, last: index, remedy });
            } else {
                self.last_there = Some(index);
            }
        }
    }

    /// Returns the ticks from the first to the last that a series has no sample at.
    pub(crate) fn missing_span(&self) -> Option<Range<u64>> {
        self.missing_ticks.span()
    }

    /// Returns how many samples are not there.
    pub(crate) fn missing_count(&self) -> u64 {
        self.missing
    }

    /// Tells whether to go on after what is there; says why not where its values are others.
    pub(crate) fn may_resume(&self, report: &Report) -> bool {
        if self.different == 0 {
            return true;
        }
        report.end_quiet();
        let count = counted(self.different, "datapoint");
        let fields = [
            ("different", Field::Count(self.different)),
            ("exit_code", Field::Count(Exit::Different as u64)),
        ];
        let text = format!("✗ Not resumed, nothing was sent: {count} stored with another value");
        report.log(Level::Error, "not_resumed", &fields, &text);
        self.print_differences(report);
        false
    }

    /// Says what was found; returns the exit code.
    pub(super) fn print(
        &self,
        subject: Subject<'_>,
        report: &Report,
        relative_error_max: Option<f64>,
        now: TimestampMs,
    ) -> Exit {
        let planned = self.matching + self.missing + self.different;
        let exit = if self.matching == planned { Exit::Success } else { Exit::Different };
        if exit != Exit::Success {
            report.end_quiet();
        }
        let precision = match relative_error_max {
            None => "to the bit".to_owned(),
            Some(error) => format!("within {error:e}, as VictoriaMetrics keeps no more digits"),
        };
        let (level, headline) = match exit {
            Exit::Success => {
                (Level::Info, format!("✓ Verified: all {planned} datapoints match {precision}"))
            }
            _ => {
                let matching = self.matching;
                let text = format!("✗ Verified: {matching}/{planned} datapoints match {precision}");
                (Level::Error, text)
            }
        };
        report.rule();
        report.log(level, "verified", &[], &headline);
        report.rule();
        self.print_differences(report);
        self.print_warnings(report);
        if relative_error_max.is_some() {
            self.print_retention(subject, report, now);
        }
        let missing = Missing {
            ranges: &self.missing_ticks,
            series_count: subject.plan.label_sets.len() as u64,
            rerun: subject.rerun,
            // A VictoriaMetrics takes them in any order.
            is_older: relative_error_max.is_none() && self.is_older_missing(),
        };
        missing.print(report, Level::Error, |_| "Missing");
        let fields = [
            ("planned", Field::Count(planned)),
            ("matching", Field::Count(self.matching)),
            ("missing", Field::Count(self.missing)),
            ("different", Field::Count(self.different)),
            ("unexpected", Field::Count(self.unexpected)),
            ("duplicates", Field::Count(self.duplicates)),
            ("exit_code", Field::Count(exit as u64)),
            ("omitted_range_count", Field::Count(self.missing_ticks.more_count())),
            ("missing_ranges", Field::Json(&missing.json())),
        ];
        let text = format!(
            "Verify: {planned} planned = {} matching + {} missing + {} different; {} unexpected",
            self.matching, self.missing, self.different, self.unexpected
        );
        report.log(level, "verify_summary", &fields, &text);
        exit
    }

    fn print_warnings(&self, report: &Report) {
        if let Some(first) = self.first_unexpected {
            let text = format!(
                "Unexpected: {} with our labels off the grid, the first at {} = {}",
                self.unexpected,
                report.local_time(first.timestamp),
                first.value
            );
            report.log(Level::Warning, "unexpected", &[], &text);
        }
        if self.duplicates > 0 {
            let count = counted(self.duplicates, "datapoint");
            let text = format!(
                "{count} stored more than once, with the same value: sent again, a VictoriaMetrics \
                 keeps both; start it with -dedup.minScrapeInterval=1ms to count them once"
            );
            report.log(Level::Warning, "duplicates", &[], &text);
        }
    }

    /// Says why a VictoriaMetrics may have nothing of the window's beginning.
    fn print_retention(&self, subject: Subject<'_>, report: &Report, now: TimestampMs) {
        let Plan { model, window, .. } = subject.plan;
        let is_old = now.0 - model.grid.time_of(window.first_index).0 > RETENTION_MIN_MS;
        let Some(range) = self.missing_ticks.kept().first().filter(|_| is_old) else { return };
        if range.first == window.first_index {
            let text = "The oldest datapoints are missing: VictoriaMetrics drops what is older \
                        than its -retentionPeriod, by default a month";
            report.log(Level::Warning, "retention", &[], text);
        }
    }

    fn print_differences(&self, report: &Report) {
        if self.matching == 0 && self.different + self.unexpected > 0 {
            let text = "Nothing matches at all: --origin, --seed or the step are probably not \
                        those that these datapoints were pushed with";
            report.log(Level::Error, "nothing_matches", &[], text);
        }
        for difference in &self.differences {
            let Difference { labels, timestamp, expected, found } = difference;
            let time = report.local_time(*timestamp);
            let fields = [
                ("labels", Field::Labels(labels)),
                ("timestamp", Field::Time(*timestamp)),
                ("expected", Field::Value(*expected)),
                ("found", Field::Value(*found)),
            ];
            let text = format!(
                "Different at {time}: expected {expected}, found {found} (labels: {labels})"
            );
            report.log(Level::Error, "different", &fields, &text);
        }
        if let more @ 1.. = self.different - self.differences.len() as u64 {
            let count = [("count", Field::Count(more))];
            let text = format!("And {more} more are different");
            report.log(Level::Error, "more_different", &count, &text);
        }
    }

    fn is_older_missing(&self) -> bool {
        let first = self.missing_ticks.kept().first();
        first.zip(self.last_there).is_some_and(|(range, last)| range.first < last)
    }
}
