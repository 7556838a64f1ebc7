//! Which incidents alerts noticed, how late, and when one fired for nothing.
//!
//! Pure: samples of alerts go in, in the order of time, and a verdict comes out. Memory is flat in
//! the length of the window: what is kept is the last spans of each alert, and counts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::iter::Peekable;
use std::ops::Range;

use crate::labels::{Label, LabelSet};
use crate::plan::Plan;
use crate::read_back::Labels;
use crate::series::{Incident, Kind, Occurrence, Sample, TimestampMs};

/// The longest time between two samples of one span: for so long PromQL goes on showing a sample.
/// Source: Prometheus, `--query.lookback-delta`.
pub(crate) const PAUSE_MAX_MS: i64 = 5 * 60_000;
/// Lines of each kind that are kept; what is beyond is counted.
pub(super) const KEPT_MAX: usize = 20;
/// Labels that say nothing about which series an alert is for.
pub(super) const OF_THE_ALERT: [&str; 3] = ["__name__", "alertname", "alertstate"];

/// How soon an alert has to come and to go, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// From the start of an incident to the alert.
    pub fires_within_ms: i64,
    /// From the end of an incident to that of the alert.
    pub resolves_within_ms: i64,
}

/// The first and the last time at which an alert was seen firing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Its first sample.
    pub first: TimestampMs,
    /// Its last sample.
    pub last: TimestampMs,
}

/// What became of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// An alert came in time, so many milliseconds after the start; none where it fired already.
    Detected(Option<i64>),
    /// An alert came, so many milliseconds after the start, and too late.
    Late(i64),
    /// No alert came.
    Missed,
}

/// One occurrence of an incident in one series, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// When it starts, and when it is over.
    pub times: Range<TimestampMs>,
    /// The incident's number.
    pub number: u16,
    /// Which of the plan's series it is in.
    pub series: usize,
    /// What became of it.
    pub fate: Fate,
    /// Which alert came first; any where none did.
    pub alert: usize,
}

/// A span that no incident explains.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FalseAlarm {
    /// When it fired.
    pub span: Span,
    /// Which alert.
    pub alert: usize,
    /// The labels of the alert's series.
    pub labels: Labels,
}

/// The counts of one alert.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertCounts {
    /// Incidents that it noticed in time.
    pub detected: u64,
    /// Spans that no incident explains.
    pub false_alarms: u64,
    /// Series of it that belong to a series of ours.
    pub series_count: u64,
    /// The labels of one that belongs to none.
    pub foreign: Option<Labels>,
}

/// What alerts made of the incidents of a window. Incidents are counted by occurrence and series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Noticed in time.
    pub detected: u64,
    /// Not noticed in time.
    pub missed: u64,
    /// Those of the missed that were noticed later.
    pub late: u64,
    /// Spans that no incident explains.
    pub false_alarms: u64,
    /// How many of the detected have which delay, in milliseconds.
    pub delays_ms: BTreeMap<i64, u64>,
    /// The first of the detected.
    pub kept_detected: Vec<Judged>,
    /// The first of the missed.
    pub kept_missed: Vec<Judged>,
    /// The first false alarms.
    pub kept_false_alarms: Vec<FalseAlarm>,
    /// By alert.
    pub by_alert: Vec<AlertCounts>,
}

impl Verdict {
    /// Tells whether each incident was noticed in time, and nothing else.
    pub fn is_good(&self) -> bool {
        self.missed == 0 && self.false_alarms == 0
    }

    /// Tells whether every alert that noticed something was firing already: it may never resolve.
    pub fn is_always_firing(&self) -> bool {
        self.detected > 0 && self.delays_ms.is_empty()
    }

    /// Returns the least, the median (of two the greater) and the greatest delay.
    pub fn delays(&self) -> Option<[i64; 3]> {
        let (mut delays, mut seen) = (self.delays_ms.keys(), 0);
        let half = self.delays_ms.values().sum::<u64>() / 2;
        let mut is_median = |count: &u64| {
            seen += count;
            seen > half
        };
        let median = self.delays_ms.iter().find(|(_, count)| is_median(count))?.0;
        let least = delays.next()?;
        Some([*least, *median, *delays.next_back().unwrap_or(least)])
    }

    fn note(&mut self, judged: Judged) {
        let kept = if let Fate::Detected(delay_ms) = judged.fate {
            self.detected += 1;
            if let Some(delay_ms) = delay_ms {
                *self.delays_ms.entry(delay_ms).or_default() += 1;
            }
            &mut self.kept_detected
        } else {
            self.missed += 1;
            self.late += u64::from(judged.fate != Fate::Missed);
            &mut self.kept_missed
        };
        if kept.len() < KEPT_MAX {
            kept.push(judged);
        }
    }
}

/// One series of an alert.
#[derive(Default)]
struct AlertSeries {
    /// Which series of ours it belongs to.
    members: Vec<usize>,
    /// The incidents of these.
    numbers: BTreeSet<u16>,
    /// In the order of time; the last one may go on.
    spans: VecDeque<Span>,
    is_ended: bool,
}

impl AlertSeries {
    fn new(plan: &Plan, labels: &Labels) -> Self {
        let ours = &plan.label_sets[..plan.own_count()];
        let members: Vec<usize> = (0..ours.len()).filter(|k| fits(labels, &ours[*k])).collect();
        let incidents = members.iter().filter_map(|k| plan.by_series.get(*k));
        let numbers = incidents.flat_map(|own| own.iter().map(|incident| incident.number));
        let mut series = Self::default();
        series.numbers.extend(numbers);
        Self { members, ..series }
    }

    fn add(&mut self, sample: Sample) {
        let time = sample.timestamp;
        // A stale marker is a NaN, too.
        if sample.value.is_nan() || sample.value == 0.0 {
            self.is_ended = true;
        } else {
            match self.spans.back_mut() {
                Some(span) if !self.is_ended && time.0 - span.last.0 <= PAUSE_MAX_MS => {
                    span.last = time;
                }
                _ => self.spans.push_back(Span { first: time, last: time }),
            }
            self.is_ended = false;
        }
    }

    /// Returns the delay from the start of an incident, where it fires for it; none for what fired
    /// already.
    fn delay_ms(&self, start: TimestampMs, until_ms: i64) -> Option<Option<i64>> {
        let first = self.spans.partition_point(|span| span.last < start);
        let span = self.spans.get(first).filter(|span| span.first.0 < until_ms)?;
        Some((span.first >= start).then_some(span.first.0 - start.0))
    }

    /// Tells whether no incident, nor the time that it has to resolve after one, overlaps a span
    /// that is not wholly outside the window.
    fn is_false_alarm(&self, span: Span, plan: &Plan, within_ms: i64) -> bool {
        let (window, grid) = (plan.times(), plan.model.grid);
        if self.members.is_empty() || span.last < window.start || span.first >= window.end {
            return false;
        }
        let since = TimestampMs(span.first.0.saturating_sub(within_ms));
        let first = grid.index_at_or_after(since).map_or(0, |index| index.saturating_sub(1));
        let end = grid.index_at_or_after(span.last).map_or(0, |index| index + 1);
        !self.numbers.iter().any(|number| {
            let incident = &plan.incidents[usize::from(*number) - 1].incident;
            plan.model.occurrences(incident, first..end).any(|Occurrence { times, .. }| {
                let until_ms = times.end.0.saturating_add(within_ms);
                times.start <= span.last && span.first.0 < until_ms
            })
        })
    }
}

/// Judges alerts while their samples are added, up to some time.
pub struct Judge<'a> {
    plan: &'a Plan,
    terms: Terms,
    /// By which alert it is, and labels.
    alerts: BTreeMap<(usize, Labels), AlertSeries>,
    /// By incident, the occurrences that are not judged yet.
    occurrences: Vec<Peekable<Box<dyn Iterator<Item = Occurrence>>>>,
    longest_ms: i64,
    verdict: Verdict,
}

impl<'a> Judge<'a> {
    /// Returns a judge of so many alerts, without samples yet.
    pub fn new(plan: &'a Plan, terms: Terms, alert_count: usize) -> Self {
        let incidents = plan.incidents.iter().map(|named| named.incident);
        let occurrences = |incident: Incident| {
            let all = plan.model.occurrences(&incident, plan.window.ticks());
            (Box::new(all) as Box<dyn Iterator<Item = Occurrence>>).peekable()
        };
        let longest_ms = incidents.clone().map(|incident| incident.length_ms).max().unwrap_or(0);
        let by_alert = vec![AlertCounts::default(); alert_count];
        Self {
            plan,
            terms,
            alerts: BTreeMap::new(),
            occurrences: incidents.map(occurrences).collect(),
            longest_ms: i64::try_from(longest_ms).unwrap_or(i64::MAX),
            verdict: Verdict { by_alert, ..Verdict::default() },
        }
    }

    /// Adds samples of a series of an alert, oldest first and after those added before.
    pub fn add(&mut self, alert: usize, labels: &Labels, samples: &[Sample]) {
        let new = || AlertSeries::new(self.plan, labels);
        let series = self.alerts.entry((alert, labels.clone())).or_insert_with(new);
        samples.iter().for_each(|sample| series.add(*sample));
    }

    /// Judges what can be judged now that all samples before `time` were added.
    pub fn advance(&mut self, time: TimestampMs) {
        let Terms { resolves_within_ms, .. } = self.terms;
        let window_end = self.plan.times().end;
        for n in 0..self.occurrences.len() {
            let incident = self.plan.incidents[n].incident;
            // An incident counts up to the end of the window.
            let is_over = |next: &Occurrence| {
                next.times.end.min(window_end).0.saturating_add(resolves_within_ms) <= time.0
            };
            while let Some(Occurrence { times, .. }) = self.occurrences[n].next_if(is_over) {
                let end = times.end.min(window_end);
                self.judge(&incident, times.start..end);
            }
        }
        let kept_ms = resolves_within_ms.saturating_add(self.longest_ms).max(PAUSE_MAX_MS);
        self.drop_before(TimestampMs(time.0.saturating_sub(kept_ms)));
    }

    /// Judges the rest.
    pub fn finish(mut self) -> Verdict {
        self.advance(TimestampMs(i64::MAX));
        for ((alert, labels), series) in self.alerts {
            let counts = &mut self.verdict.by_alert[alert];
            match series.members.is_empty() {
                true => counts.foreign = Some(labels),
                false => counts.series_count += 1,
            }
        }
        self.verdict.kept_false_alarms.sort_unstable();
        self.verdict
    }

    fn judge(&mut self, &Incident { number, kind, .. }: &Incident, times: Range<TimestampMs>) {
        let until_ms = times.end.0 + self.terms.resolves_within_ms;
        let is_late = |delay_ms: Option<i64>| delay_ms > Some(self.terms.fires_within_ms);
        // By series of ours, the least delay of each alert.
        let mut found: BTreeMap<usize, BTreeMap<usize, Option<i64>>> = BTreeMap::new();
        for ((alert, _), series) in &self.alerts {
            let Some(delay_ms) = series.delay_ms(times.start, until_ms) else { continue };
            for k in &series.members {
                let least = found.entry(*k).or_default().entry(*alert).or_insert(delay_ms);
                *least = delay_ms.min(*least);
            }
        }
        let has = |own: &[Incident]| own.binary_search_by_key(&number, |own| own.number).is_ok();
        for (series, _) in self.plan.by_series.iter().enumerate().filter(|(_, own)| has(own)) {
            let delays = found.remove(&series).unwrap_or_default();
            for (alert, _) in delays.iter().filter(|(_, delay_ms)| !is_late(**delay_ms)) {
                self.verdict.by_alert[*alert].detected += 1;
            }
            let first = delays.into_iter().min_by_key(|(alert, delay_ms)| (*delay_ms, *alert));
            let (fate, alert) = match first {
                None => (Fate::Missed, 0),
                Some((alert, Some(ms))) if is_late(Some(ms)) => (Fate::Late(ms), alert),
                Some((alert, delay_ms)) => (Fate::Detected(delay_ms), alert),
            };
            // rate() corrects for a reset, so a good rule need not fire.
            if kind == Kind::Reset && !matches!(fate, Fate::Detected(_)) {
                continue;
            }
            self.verdict.note(Judged { times: times.clone(), number, series, fate, alert });
        }
    }

    /// Drops the spans that ended before `time`, and counts the false alarms among them.
    fn drop_before(&mut self, time: TimestampMs) {
        let (plan, within_ms) = (self.plan, self.terms.resolves_within_ms);
        for ((alert, labels), series) in &mut self.alerts {
            let is_old = |span: &&Span| span.last < time;
            while let Some(span) = series.spans.front().filter(is_old).copied() {
                series.spans.pop_front();
                if !series.is_false_alarm(span, plan, within_ms) {
                    continue;
                }
                self.verdict.false_alarms += 1;
                self.verdict.by_alert[*alert].false_alarms += 1;
                if self.verdict.kept_false_alarms.len() < KEPT_MAX {
                    let (alert, labels) = (*alert, labels.clone());
                    self.verdict.kept_false_alarms.push(FalseAlarm { span, alert, labels });
                }
            }
        }
    }
}

/// Tells whether an alert belongs to a series of ours: no label that both have differs.
fn fits(alert: &Labels, ours: &LabelSet) -> bool {
    let of_series = |(name, _): &&Label| !OF_THE_ALERT.contains(&&**name);
    ours.pairs()
        .iter()
        .filter(of_series)
        .all(|(name, value)| alert.get(&**name).is_none_or(|found| **found == **value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Named, Window};
    use crate::remote_write::STALE_NAN_BITS;
    use crate::series::{Grid, Incidents, MetricType, NoiseParams, Schedule, Seed, Series, Trend};

    const MINUTE_MS: i64 = 60_000;

    /// Returns minutes, with two decimals where there are any, in milliseconds.
    fn minutes(text: &str) -> i64 {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        format!("{whole}{part:0<2}").parse::<i64>().unwrap() * MINUTE_MS / 100
    }

    /// Returns the hour from minute 60 on of series with these hosts, and incidents as in `70+5`,
    /// `70+5/20` or `70+5 a`: start, length, repetition, and the host that has it.
    fn plan(hosts: &[&str], incidents: &[&str]) -> Plan {
        let grid = Grid { origin: TimestampMs(0), step_ms: 60_000 };
        let model = Series {
            metric_type: MetricType::Gauge,
            trend: Trend { flat_base: 5.0, coefficient: 0.1, unit_us: 3_420_000_000 },
            seasonality: None,
            weekly_seasonality: None,
            noise: NoiseParams { mean: 0.0, std: 3.0, seed: Seed(42) },
            grid,
            utc_offset_ms: 0,
            incidents: Incidents::default(),
        };
        let label = |host: &&str| ("host".to_owned(), (*host).to_owned());
        let mut lists = vec![Vec::new(); hosts.len()];
        let mut named = Vec::new();
        for (number, text) in (1..).zip(incidents) {
            let (times, host) = text.split_once(' ').unwrap_or((text, ""));
            let (times, every) = times.split_once('/').unwrap_or((times, ""));
            let (start, length) = times.split_once('+').unwrap();
            let ms = |text: &str| minutes(text).unsigned_abs();
            let every_ms = (!every.is_empty()).then(|| ms(every));
            let (start_ms, length_ms, kind) = (ms(start), ms(length), Kind::Gap);
            let incident = Incident { number, kind, start_ms, length_ms, every_ms };
            let has = |name: &str| host.is_empty() || host == name;
            let own = hosts.iter().zip(&mut lists).filter(|(name, _)| has(name));
            own.for_each(|(_, list)| list.push(incident));
            named.push(Named { text: (*text).into(), incident, series_count: 1 });
        }
        Plan {
            metric_name: "cpu".into(),
            label_sets: hosts.iter().map(|host| LabelSet::new("cpu", vec![label(host)])).collect(),
            truth: None,
            description: String::new(),
            model,
            incidents: named,
            by_series: lists.into_iter().map(Incidents::new).collect(),
            schedule: Schedule::default(),
            window: Window { first_index: 60, tick_count: 60 },
        }
    }

    /// Adds an alert, as in `0 host=a: 71-75 80! 82`: which one, its labels, and the minutes at
    /// which it fires, or is stale; returns them by minute.
    fn samples(text: &str) -> (usize, Labels, Vec<Sample>) {
        let (head, times) = text.split_once(':').unwrap();
        let (alert, labels) = head.split_once(' ').unwrap_or((head, ""));
        let pairs = labels.split(',').filter_map(|pair| pair.split_once('='));
        let pairs = [("__name__", "ALERTS"), ("alertname", "A")].into_iter().chain(pairs);
        let mut samples = Vec::new();
        let mut add = |ms, value| samples.push(Sample { timestamp: TimestampMs(ms), value });
        for text in times.split_whitespace() {
            if let Some(time) = text.strip_suffix('!') {
                add(minutes(time), f64::from_bits(STALE_NAN_BITS));
            } else if let Some(time) = text.strip_suffix('z') {
                add(minutes(time), 0.0);
            } else if let Some(time) = text.strip_suffix('n') {
                add(minutes(time), f64::NAN);
            } else {
                let (first, last) = text.split_once('-').unwrap_or((text, text));
                (minutes(first)..=minutes(last)).step_by(60_000).for_each(|ms| add(ms, 1.0));
            }
        }
        let labels = pairs.map(|(name, value)| (name.into(), value.into())).collect();
        (alert.parse().unwrap(), labels, samples)
    }

    const TERMS: Terms =
        Terms { fires_within_ms: 4 * MINUTE_MS, resolves_within_ms: 5 * MINUTE_MS };

    /// Returns the verdict on alerts that are read so many minutes at a time.
    fn verdict(plan: &Plan, alerts: &[&str], chunk: i64) -> Verdict {
        let mut judge = Judge::new(plan, TERMS, 2);
        for start in (0..200).step_by(usize::try_from(chunk).unwrap()) {
            let range = start * MINUTE_MS..(start + chunk) * MINUTE_MS;
            for (alert, labels, mut samples) in alerts.iter().map(|text| self::samples(text)) {
                samples.retain(|sample| range.contains(&sample.timestamp.0));
                if !samples.is_empty() {
                    judge.add(alert, &labels, &samples);
                }
            }
            judge.advance(TimestampMs(range.end));
        }
        judge.finish()
    }

    fn shown(plan: &Plan, verdict: &Verdict) -> String {
        let minutes = |ms: i64| ms as f64 / MINUTE_MS as f64;
        let mut judged: Vec<&Judged> =
            verdict.kept_missed.iter().chain(&verdict.kept_detected).collect();
        judged.sort_by_key(|judged| (judged.times.start, judged.number, judged.series));
        let judged = judged.iter().map(|judged| {
            let host = &plan.label_sets[judged.series].pairs()[1].1;
            let fate = match judged.fate {
                Fate::Detected(None) => "firing already".into(),
                Fate::Detected(Some(ms)) => format!("after {}", minutes(ms)),
                Fate::Late(ms) => format!("late {}", minutes(ms)),
                Fate::Missed => "missed".into(),
            };
            let alert = if judged.alert == 0 { "" } else { " by 1" };
            format!("{host}{}: {fate}{alert}", minutes(judged.times.start.0))
        });
        let alarms = verdict.kept_false_alarms.iter().map(|alarm| {
            let Span { first, last } = alarm.span;
            format!("{} false {}-{}", alarm.alert, minutes(first.0), minutes(last.0))
        });
        judged.chain(alarms).collect::<Vec<_>>().join(", ")
    }

    #[track_caller]
    fn check(hosts: &[&str], incidents: &[&str], alerts: &[&str], expected: &str) {
        let plan = plan(hosts, incidents);
        for chunk in [200, 7, 1] {
            let verdict = verdict(&plan, alerts, chunk);
            assert_eq!(shown(&plan, &verdict), expected, "{chunk} minutes at a time");
        }
    }

    #[track_caller]
    fn check_one(incidents: &[&str], alert: &str, expected: &str) {
        check(&["a"], incidents, &[&format!("0 host=a: {alert}")], expected);
    }

    #[test]
    fn an_incident_is_detected_up_to_its_end_and_the_time_to_resolve() {
        check_one(&["70+5"], "70-77", "a70: after 0");
        check_one(&["70+5"], "71.5-77.5", "a70: after 1.5");
        check_one(&["70+5"], "74", "a70: after 4");
        check_one(&["70+5"], "", "a70: missed");
        check_one(&["70+1"], "75.99", "a70: late 5.99");
        check_one(&["70+1"], "76", "a70: missed, 0 false 76-76");
    }

    #[test]
    fn what_comes_late_is_a_miss_and_no_false_alarm() {
        check_one(&["70+5"], "74.01", "a70: late 4.01");
        check_one(&["70+5"], "79.99-100", "a70: late 9.99");
        check_one(&["70+5"], "80-100", "a70: missed, 0 false 80-100");
    }

    #[test]
    fn what_began_before_was_firing_already() {
        check_one(&["70+5"], "69-72", "a70: firing already");
        check_one(&["70+5"], "68 70", "a70: firing already");
        check_one(&["70+5"], "50-119", "a70: firing already");
        check_one(&["70+5"], "60-69", "a70: missed, 0 false 60-69");
        // One that ended before is no more than a false alarm, whatever comes next.
        check_one(&["70+5"], "60-63 72", "a70: after 2, 0 false 60-63");
        // The second incident begins while the alert of the first goes on.
        check_one(&["70+5", "77+5"], "71-85", "a70: after 1, a77: firing already");
    }

    #[test]
    fn samples_with_a_pause_or_a_stale_marker_between_them_are_two_firings() {
        check_one(&["80+5"], "70 75 80", "a80: firing already");
        check_one(&["80+5"], "70 75.01 80.01", "a80: firing already, 0 false 70-70");
        check_one(&["80+5"], "70-78 79! 81", "a80: after 1, 0 false 70-78");
        check_one(&["80+5"], "70-78 79! 80! 81-83 84! 85-87 100!", "a80: after 1, 0 false 70-78");
        // Flaps: each firing is explained, or not, by itself.
        check_one(&["80+2"], "81 82! 84 85! 88 89!", "a80: after 1, 0 false 88-88");
    }

    #[test]
    fn zero_and_nan_end_a_firing() {
        check_one(&["80+5"], "62z 70z 80z 82 83z 90z", "a80: after 2");
        check_one(&["80+5"], "78-79 80z 82 83n 84", "a80: after 2, 0 false 78-79");
        check_one(&["80+5"], "70n 81n 82 90n", "a80: after 2");
        check_one(&["80+5"], "81z 90n", "a80: missed");
        for other in ["z", "n", "!"] {
            let alert = format!("78-79 80{other} 82 83{other} 95");
            check_one(&["80+5"], &alert, "a80: after 2, 0 false 78-79, 0 false 95-95");
        }
    }

    #[test]
    fn firings_that_no_incident_overlaps_are_false_alarms_once() {
        check_one(&[], "70-72", "0 false 70-72");
        check_one(
            &["80+5"],
            "62 70-72 100-110",
            "a80: missed, 0 false 62-62, 0 false 70-72, 0 false 100-110",
        );
        // Between two samples of one firing.
        check_one(&["80+1"], "79 81.5", "a80: firing already");
        check(&["a", "b"], &["80+5"], &["0: 70-72"], "a80: missed, b80: missed, 0 false 70-72");
    }

    #[test]
    fn what_is_wholly_outside_the_window_is_passed_over() {
        check_one(&[], "30-59.99", "");
        check_one(&[], "30-60", "0 false 30-60");
        check_one(&[], "120-130", "");
        check_one(&[], "119.5-130.5", "0 false 119.5-130.5");
        // An incident before the window explains a firing that goes on into it, and is not judged.
        check_one(&["50+8"], "51-62", "");
        check_one(&["50+5"], "57-62 68", "0 false 68-68");
        check_one(&["130+5"], "119-140", "");
    }

    #[test]
    fn incidents_at_the_edges_of_the_window() {
        check_one(&["55+10"], "56-66", "a55: after 1");
        check_one(&["55+10"], "50-66", "a55: firing already");
        check_one(&["59+1"], "61", "");
        check_one(&["59+2"], "61", "a59: after 2");
        check_one(&["118+2"], "123", "a118: late 5");
        // It counts up to the end of the window.
        check_one(&["118+50"], "124", "a118: late 6");
        check_one(&["118+50"], "126", "a118: missed");
    }

    #[test]
    fn overlapping_and_repeated_incidents_are_judged_each_for_itself() {
        check_one(&["70+10", "72+2"], "71-80", "a70: after 1, a72: firing already");
        check_one(&["70+10", "72+2"], "75-80", "a70: late 5, a72: after 3");
        check_one(&["70+2/20"], "71 111", "a70: after 1, a90: missed, a110: after 1");
        check_one(&["10+2/20"], "71 111", "a70: after 1, a90: missed, a110: after 1");
    }

    #[test]
    fn a_reset_may_be_noticed_and_need_not_be() {
        let mut plan = plan(&["a"], &["70+1", "90+1"]);
        let shown = |plan: &Plan| shown(plan, &verdict(plan, &["0: 71"], 7));
        assert_eq!(shown(&plan), "a70: after 1, a90: missed");
        plan.incidents.iter_mut().for_each(|named| named.incident.kind = Kind::Reset);
        assert_eq!(shown(&plan), "a70: after 1");
    }

    #[test]
    fn an_alert_belongs_to_every_series_with_which_no_label_differs() {
        let two = ["a", "b"];
        check(&two, &["70+5"], &["0 host=a: 71-75"], "a70: after 1, b70: missed");
        check(&two, &["70+5 b"], &["0 host=a: 71-75"], "b70: missed, 0 false 71-75");
        // Aggregated away, or of absent(), with labels of its own.
        check(&two, &["70+5"], &["0: 71-75"], "a70: after 1, b70: after 1");
        check(&two, &["70+5 b"], &["0 severity=page: 71-75"], "b70: after 1");
        check(&two, &["70+5", "90+5 b"], &["0: 71 91"], "a70: after 1, b70: after 1, b90: after 1");
        // Of something else.
        check(&two, &["70+5"], &["0 host=c: 71-75 90"], "a70: missed, b70: missed");
        // By the rule of each host, and by one for both.
        let alerts = ["0 host=a: 73-75", "0 host=b: 71-75 100", "1: 72-75"];
        let expected = "a70: after 2 by 1, b70: after 1, 0 false 100-100";
        check(&two, &["70+5"], &alerts, expected);
    }

    #[test]
    fn any_of_several_alerts_detects_and_false_alarms_count_for_each() {
        let alerts = ["0 host=a: 71-75 100", "1 host=a: 72-75 92 101"];
        let incidents = ["70+5", "90+5"];
        let expected = "a70: after 1, a90: after 2 by 1, 0 false 100-100, 1 false 101-101";
        check(&["a"], &incidents, &alerts, expected);
        let plan = plan(&["a"], &incidents);
        let verdict = verdict(&plan, &alerts, 10);
        let counts = |n: usize| {
            let counts = &verdict.by_alert[n];
            (counts.detected, counts.false_alarms, counts.series_count)
        };
        assert_eq!((counts(0), counts(1)), ((1, 1, 1), (2, 1, 1)));
        assert_eq!((verdict.detected, verdict.missed, verdict.false_alarms), (2, 0, 2));
        assert!(!verdict.is_good());
        // The one that fires already comes first, and a late one after one in time.
        let alerts = ["0: 75", "1: 69 70.5"];
        check(&["a"], &["70+5"], &alerts, "a70: firing already by 1");
        check(&["a"], &["70+5"], &["0: 75", "1: 73"], "a70: after 3 by 1");
        check(&["a"], &["70+5"], &["0 x=1: 72", "0 x=2: 73"], "a70: after 2");
        let late = self::verdict(&self::plan(&["a"], &["70+5"]), &["0: 75", "1: 73"], 10);
        assert_eq!((late.by_alert[0].detected, late.by_alert[1].detected), (0, 1));
    }

    #[test]
    fn labels_that_fit_no_series_are_named() {
        let plan = plan(&["a"], &["70+5"]);
        let verdict = verdict(&plan, &["0 host=c: 71", "1 team=x: 71"], 200);
        let foreign = verdict.by_alert[0].foreign.as_ref().unwrap();
        assert_eq!(foreign["host"], "c");
        assert_eq!((verdict.by_alert[0].series_count, verdict.by_alert[1].series_count), (0, 1));
        assert_eq!(verdict.by_alert[1].foreign, None);
    }

    #[test]
    fn delays_have_a_least_a_median_and_a_greatest() {
        let delays = |delays_ms: &[(i64, u64)]| {
            let delays_ms = delays_ms.iter().copied().collect();
            Verdict { delays_ms, ..Verdict::default() }.delays()
        };
        assert_eq!(delays(&[]), None);
        assert_eq!(delays(&[(5, 1)]), Some([5; 3]));
        assert_eq!(delays(&[(5, 2), (7, 1)]), Some([5, 5, 7]));
        assert_eq!(delays(&[(1, 1), (5, 1), (7, 1), (9, 1)]), Some([1, 7, 9]));
    }

    #[test]
    fn of_many_incidents_the_first_are_kept_and_all_are_counted() {
        let plan = plan(&["a"], &["60+1/1"]);
        let verdict = verdict(&plan, &["0: 60-80"], 10);
        assert_eq!((verdict.detected, verdict.missed), (21, 39));
        assert_eq!((verdict.kept_detected.len(), verdict.kept_missed.len()), (20, 20));
    }
}
