//! What a check found: counts, the first of each kind, and the words for them.

use super::Subject;
use super::compare::Finding;
use crate::delivery::{IndexRange, Missing, Ranges};
use crate::error::Exit;
use crate::labels::LabelSet;
use crate::report::{Field, Level, Report};
use crate::series::{Sample, TimestampMs};

/// Differences beyond this many are counted, not kept.
const DIFFERENCES_MAX: usize = 10;

/// What was found so far. Counts are in samples.
#[derive(Debug, Default)]
pub(super) struct Findings {
    matching: u64,
    missing: u64,
    different: u64,
    unexpected: u64,
    differences: Vec<Difference>,
    first_unexpected: Option<Sample>,
    missing_ticks: Ranges,
    last_there: Option<u64>,
}

/// What was found in a chunk.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// Samples that are not there.
    pub(super) missing: u64,
    matching: u64,
    different: u64,
    unexpected: u64,
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
    pub(super) fn new(tick_count: usize) -> Self {
        Self { is_missing: vec![false; tick_count], ..Self::default() }
    }

    /// Notes what was found of the series with these labels.
    pub(super) fn note(&mut self, labels: &LabelSet, finding: Finding) {
        match finding {
            Finding::Matching => self.matching += 1,
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
    pub(super) fn add(&mut self, first: u64, part: Part) {
        self.matching += part.matching;
        self.missing += part.missing;
        self.different += part.different;
        self.unexpected += part.unexpected;
        let room = DIFFERENCES_MAX - self.differences.len();
        self.differences.extend(part.differences.into_iter().take(room));
        self.first_unexpected = self.first_unexpected.or(part.first_unexpected);
        for (index, is_missing) in (first..).zip(part.is_missing) {
            if is_missing {
                self.missing_ticks.add(IndexRange { first: index, last: index });
            } else {
                self.last_there = Some(index);
            }
        }
    }

    /// Says what was found; returns the exit code.
    pub(super) fn print(
        &self,
        subject: Subject<'_>,
        report: &Report,
        relative_error_max: Option<f64>,
    ) -> Exit {
        let planned = self.matching + self.missing + self.different;
        let exit = if self.matching == planned { Exit::Success } else { Exit::Different };
        if exit != Exit::Success {
            report.speak_up();
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
        if let Some(first) = self.first_unexpected {
            let text = format!(
                "Unexpected: {} with our labels off the grid, the first at {} = {}",
                self.unexpected,
                report.local_time(first.timestamp),
                first.value
            );
            report.log(Level::Warning, "unexpected", &[], &text);
        }
        let missing = Missing {
            ranges: &self.missing_ticks,
            series_count: subject.plan.label_sets.len() as u64,
            rerun: subject.rerun,
            // A VictoriaMetrics takes them in any order.
            is_older: relative_error_max.is_none() && self.is_older_missing(),
        };
        missing.print(report, Level::Error, "Missing");
        let fields = [
            ("planned", Field::Count(planned)),
            ("matching", Field::Count(self.matching)),
            ("missing", Field::Count(self.missing)),
            ("different", Field::Count(self.different)),
            ("unexpected", Field::Count(self.unexpected)),
            ("exit_code", Field::Count(exit as u64)),
            ("missing_more", Field::Count(self.missing_ticks.more_count())),
            ("missing_ranges", Field::Json(&missing.json())),
        ];
        let text = format!(
            "Verify: {planned} planned = {} matching + {} missing + {} different; {} unexpected",
            self.matching, self.missing, self.different, self.unexpected
        );
        report.log(level, "verify_summary", &fields, &text);
        exit
    }

    fn print_differences(&self, report: &Report) {
        for difference in &self.differences {
            let Difference { labels, timestamp, expected, found } = difference;
            let time = report.local_time(*timestamp);
            let fields = [
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
            report.log(Level::Error, "different", &[], &format!("and {more} more are different"));
        }
    }

    fn is_older_missing(&self) -> bool {
        let first = self.missing_ticks.kept().first();
        first.zip(self.last_there).is_some_and(|(range, last)| range.first < last)
    }
}
