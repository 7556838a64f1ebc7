//! What a check found: counts, the first of each kind, and the words for them.

use std::mem;
use std::ops::Range;

use super::Verify;
use super::compare::Finding;
use crate::delivery::{IndexRange, Missing, Ranges, Remedy};
use crate::error::Exit;
use crate::labels::LabelSet;
use crate::plan::Plan;
use crate::report::words::count_of;
use crate::report::{Field, Level, Report};
use crate::series::{Sample, Schedule, TimestampMs};

/// Differences beyond this many are counted, not kept.
const DIFFERENCES_MAX: usize = 10;
/// The shortest `-retentionPeriod` that VictoriaMetrics takes, in milliseconds.
const RETENTION_MIN_MS: i64 = 24 * 3_600_000;

/// What was found so far. Counts are in samples.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    matching: u64,
    /// Samples that are not there.
    pub(crate) missing: u64,
    /// Samples that have another value.
    pub(crate) different: u64,
    unexpected: u64,
    /// Those of them that are where the series has a gap.
    in_gaps: u64,
    duplicates: u64,
    differences: Vec<Difference>,
    first_unexpected: Option<Sample>,
    missing_ticks: Ranges,
    last_there: Option<u64>,
    /// By tick of the chunk that is compared, how many series have no sample there.
    lacking: Vec<u64>,
    /// Whether the receiver keeps fewer digits than a value has.
    pub(super) is_lossy: bool,
}

#[derive(Clone, Debug)]
struct Difference {
    labels: LabelSet,
    timestamp: TimestampMs,
    expected: f64,
    found: f64,
}

impl Findings {
    /// Returns these findings at the start of a chunk of so many ticks; chunks come in the order
    /// of time.
    pub(crate) fn with_chunk(&self, tick_count: usize) -> Self {
        Self { lacking: vec![0; tick_count], ..self.clone() }
    }

    /// Notes what was found of the series with these labels.
    pub(crate) fn note(&mut self, labels: &LabelSet, finding: Finding) {
        match finding {
            Finding::Matching => self.matching += 1,
            Finding::Duplicate => self.duplicates += 1,
            Finding::Missing { tick } => {
                self.missing += 1;
                self.lacking[tick] += 1;
            }
            Finding::Different { timestamp, expected, found } => {
                self.different += 1;
                if self.differences.len() < DIFFERENCES_MAX {
                    let labels = labels.clone();
                    self.differences.push(Difference { labels, timestamp, expected, found });
                }
            }
            Finding::Unexpected { sample, is_in_gap } => {
                self.unexpected += 1;
                self.in_gaps += u64::from(is_in_gap);
                self.first_unexpected.get_or_insert(sample);
            }
        }
    }

    /// Whether nothing is there that contradicts the series.
    pub(crate) fn is_ours(&self) -> bool {
        self.different == 0 && self.in_gaps == 0
    }

    /// Ends the chunk, which began at tick `first`.
    pub(super) fn end_chunk(mut self, first: u64, schedule: &Schedule) -> Self {
        let mut lacking = mem::take(&mut self.lacking).into_iter();
        for (ticks, planned) in schedule.ranges(first..first + lacking.len() as u64) {
            for (index, count) in ticks.clone().zip(&mut lacking) {
                let (first, last, remedy) = (index, index, Remedy::Send);
                match count {
                    _ if planned == 0 => {}
                    0 => self.last_there = Some(index),
                    _ => self.missing_ticks.add(IndexRange { first, last, count, remedy }),
                }
            }
            if planned == 0 {
                self.missing_ticks.skip(ticks);
            }
        }
        self
    }

    /// Returns the ticks from the first to the last that a series has no sample at.
    pub(crate) fn missing_span(&self) -> Option<Range<u64>> {
        self.missing_ticks.span()
    }

    /// Says that nothing is sent, because other values are there.
    pub(super) fn print_not_resumed(&self, report: &Report) {
        report.end_quiet();
        let count = count_of(self.different + self.in_gaps, "datapoint");
        let fields = [
            ("different", Field::Count(self.different)),
            ("exit_code", Field::Count(Exit::Different as u64)),
        ];
        let text = format!(
            "✗ Not resumed, nothing was sent: {count} stored with another value or in a gap"
        );
        report.log(Level::Error, "not_resumed", &fields, &text);
        self.print_differences(report);
    }

    /// Says what was found; returns the exit code.
    pub(super) fn print(&self, verify: Verify<'_>) -> Exit {
        let Verify { report, rerun, plan, .. } = verify;
        let planned = self.matching + self.missing + self.different;
        let precision = match self.is_lossy {
            false => "to the bit",
            true => {
                "within 2e-12 of the value and 2e-18 of the largest: VictoriaMetrics keeps no more"
            }
        };
        let (exit, level, sign, matching) = match self.matching == planned && self.in_gaps == 0 {
            true => (Exit::Success, Level::Info, "✓", format!("all {planned}")),
            false => {
                report.end_quiet();
                (Exit::Different, Level::Error, "✗", format!("{}/{planned}", self.matching))
            }
        };
        let in_gaps = match self.in_gaps {
            0 => String::new(),
            count => format!(", and {} in a gap", count_of(count, "datapoint")),
        };
        let text = format!("{sign} Verified: {matching} datapoints match {precision}{in_gaps}");
        report.title(level, "verified", &text);
        self.print_differences(report);
        self.print_warnings(verify);
        let missing = Missing {
            ranges: &self.missing_ticks,
            schedule: &plan.schedule,
            rerun,
            // A VictoriaMetrics takes them in any order.
            is_older: !self.is_lossy && self.is_older_missing(),
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

    fn print_warnings(&self, verify: Verify<'_>) {
        let report = verify.report;
        if let Some(first) = self.first_unexpected {
            let (level, place) = match self.in_gaps {
                0 => (Level::Warning, "off the grid"),
                _ => (Level::Error, "in a gap or off the grid"),
            };
            let text = format!(
                "Unexpected: {} with our labels {place}, the first at {} = {}",
                self.unexpected,
                report.local_time(first.timestamp),
                first.value
            );
            report.log(level, "unexpected", &[], &text);
        }
        if self.duplicates > 0 {
            let count = count_of(self.duplicates, "datapoint");
            let text = format!(
                "{count} stored more than once, with the same value: sent again, a VictoriaMetrics \
                 keeps both; start it with -dedup.minScrapeInterval=1ms to count them once"
            );
            report.log(Level::Warning, "duplicates", &[], &text);
        }
        let Plan { model, window, .. } = verify.plan;
        let age_ms = verify.clock.now().0 - model.grid.time_of(window.first_index).0;
        let oldest = self.missing_ticks.listed().first().map(|range| range.first);
        if self.is_lossy && age_ms > RETENTION_MIN_MS && oldest == Some(window.first_index) {
            let text = "The oldest datapoints are missing: VictoriaMetrics drops what is older \
                        than its -retentionPeriod, by default a month";
            report.log(Level::Warning, "retention", &[], text);
        }
    }

    fn print_differences(&self, report: &Report) {
        if self.matching == 0 && self.different + self.unexpected > 0 && self.in_gaps == 0 {
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
        let more = self.different - self.differences.len() as u64;
        let text = format!("And {more} more are different");
        report.more(Level::Error, "more_different", more, &text);
    }

    fn is_older_missing(&self) -> bool {
        let first = self.missing_ticks.listed().first();
        first.zip(self.last_there).is_some_and(|(range, last)| range.first < last)
    }
}
