//! What alerts did, read by a client of its own, and the verdict on them by the definitions alone.
//!
//! Shares nothing with the sources: JSON over plain HTTP in place of remote read and CSV, raw
//! samples by PromQL, and whether an alert ended in between by asking at that time.

use super::json::Json;
use super::process::Run;
use super::real_receiver::{self, RealReceiver, percent_encoded};
use super::time::seconds;

/// Firing samples that are further apart than this may have an end in between.
const APART_MS: i64 = 1500;
/// PromQL's own, and that of the definition.
const LOOKBACK_MS: i64 = 300_000;

/// Labels by name.
pub(crate) type Labels = Vec<(String, String)>;

/// Firing samples, first and last, in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) labels: Labels,
    /// The times of its samples.
    pub(crate) times_ms: Vec<i64>,
}

impl Span {
    /// Returns the time of its first sample.
    pub(crate) fn first_ms(&self) -> i64 {
        self.times_ms[0]
    }

    fn last_ms(&self) -> i64 {
        self.times_ms[self.times_ms.len() - 1]
    }

    fn belongs_to(&self, labels: &Labels) -> bool {
        let differs = |(name, value): &(String, String)| {
            labels.iter().any(|(ours, our_value)| ours == name && our_value != value)
        };
        !self.labels.iter().any(differs)
    }
}

/// An incident of one series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// The number of its flag, from 1.
    pub(crate) incident: i64,
    pub(crate) labels: Labels,
    pub(crate) start_ms: i64,
    /// Excluded.
    pub(crate) end_ms: i64,
}

impl Trouble {
    /// Returns the label that its series differs by.
    pub(crate) fn uuid(&self) -> &str {
        &self.labels.iter().find(|(name, _)| name == "uuid").expect("it has one").1
    }
}

/// How long an alert may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) fires_within_ms: i64,
    pub(crate) resolves_within_ms: i64,
}

/// What became of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// After so many milliseconds.
    Detected(i64),
    AlreadyFiring,
    Late(i64),
    Missed,
}

/// What is said of alerts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// By incident.
    pub(crate) outcomes: Vec<Outcome>,
    /// Alert, and the time at which it began.
    pub(crate) false_alarms: Vec<(String, i64)>,
}

impl Verdict {
    /// Reads it from the log of a run, whose counts must add up.
    #[track_caller]
    pub(crate) fn of(run: &Run, troubles: &[Trouble]) -> Verdict {
        let log = run.log();
        let mut found: Vec<Option<Outcome>> = vec![None; troubles.len()];
        let mut false_alarms = Vec::new();
        for line in log.events("alert") {
            let start_ms = line.get("start").number();
            let delay_ms = || ms(line.get("delay_s"));
            let outcome = match line.get("outcome").text() {
                "false_alarm" => {
                    false_alarms.push((line.get("alert").text().to_owned(), start_ms));
                    continue;
                }
                "detected" => Outcome::Detected(delay_ms()),
                "already_firing" => Outcome::AlreadyFiring,
                "late" => Outcome::Late(delay_ms()),
                "missed" => Outcome::Missed,
                other => panic!("{other}"),
            };
            let incident = line.get("incident").number();
            let uuid = line.get("labels").get("uuid").text();
            let is_it = |trouble: &Trouble| {
                (trouble.incident, trouble.uuid(), trouble.start_ms) == (incident, uuid, start_ms)
            };
            let place = troubles.iter().position(is_it).expect("an incident of ours");
            assert_eq!(found[place].replace(outcome), None, "one line each");
        }
        false_alarms.sort();
        let outcomes: Vec<Outcome> =
            found.into_iter().map(|outcome| outcome.expect("a line each")).collect();
        let summary = log.only("alert_summary");
        let is =
            |kind: fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| kind(outcome)).count();
        let late = is(|outcome| matches!(outcome, Outcome::Late(_)));
        let missed = late + is(|outcome| *outcome == Outcome::Missed);
        let count = |name: &str| usize::try_from(summary.get(name).number()).expect("a count");
        assert_eq!(count("incidents"), outcomes.len());
        assert_eq!(
            ["detected", "missed", "late"].map(count),
            [outcomes.len() - missed, missed, late]
        );
        assert_eq!(count("false_alarms"), false_alarms.len());
        assert_eq!(summary.get("exit_code").number(), run.code.into());
        Verdict { outcomes, false_alarms }
    }
}

/// Returns what the alerts say of an incident.
pub(crate) fn outcome(trouble: &Trouble, spans: &[Span], limits: Limits) -> Outcome {
    let until_ms = trouble.end_ms + limits.resolves_within_ms;
    let firings = spans.iter().filter(|span| span.belongs_to(&trouble.labels));
    let within = |span: &Span| {
        let time_ms = span.times_ms.iter().find(|time_ms| **time_ms >= trouble.start_ms)?;
        (*time_ms < until_ms).then_some((span.first_ms() >= trouble.start_ms, *time_ms))
    };
    // A span that began before comes first.
    match firings.filter_map(within).min() {
        None => Outcome::Missed,
        Some((false, _)) => Outcome::AlreadyFiring,
        Some((true, time_ms)) => match time_ms - trouble.start_ms {
            delay_ms if delay_ms > limits.fires_within_ms => Outcome::Late(delay_ms),
            delay_ms => Outcome::Detected(delay_ms),
        },
    }
}

/// Returns the spans that belong to no incident.
pub(crate) fn false_alarms(
    troubles: &[Trouble],
    spans: &[Span],
    limits: Limits,
    window_ms: std::ops::Range<i64>,
) -> Vec<Span> {
    let explained = |span: &Span| {
        troubles.iter().any(|trouble| {
            span.belongs_to(&trouble.labels)
                && span.first_ms() < trouble.end_ms + limits.resolves_within_ms
                && span.last_ms() >= trouble.start_ms
        })
    };
    let in_window =
        |span: &Span| span.first_ms() < window_ms.end && span.last_ms() >= window_ms.start;
    spans.iter().filter(|span| in_window(span) && !explained(span)).cloned().collect()
}

/// A series with its raw samples: milliseconds since 1970 and value, NaN for a stale marker where
/// the receiver shows it.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    pub(crate) labels: Labels,
    pub(crate) samples: Vec<(i64, f64)>,
}

/// Reads the series that `selector` selects, from `start_ms` to `end_ms`.
pub(crate) fn raw(receiver: &RealReceiver, selector: &str, start_ms: i64, end_ms: i64) -> Vec<Raw> {
    if receiver.is_victoriametrics() {
        return raw_of_victoriametrics(receiver, selector, start_ms, end_ms);
    }
    let range_ms = end_ms - start_ms + 1;
    let result = query(receiver, &format!("{selector}[{range_ms}ms]"), end_ms);
    let series = |series: &Json| Raw {
        labels: labels(series.get("metric")),
        samples: series.get("values").array().iter().map(sample).collect(),
    };
    result.iter().map(series).collect()
}

/// Returns when these series fired: their samples that are not 0.
pub(crate) fn spans(receiver: &RealReceiver, series: &[Raw]) -> Vec<Span> {
    series.iter().flat_map(|raw| spans_of(receiver, raw)).collect()
}

fn spans_of(receiver: &RealReceiver, raw: &Raw) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut newest_ms = None;
    for &(time_ms, value) in &raw.samples {
        if value == 0.0 || value.is_nan() {
            newest_ms = None;
            continue;
        }
        let goes_on = newest_ms.is_some_and(|newest_ms| {
            let is_near = time_ms - newest_ms < APART_MS;
            is_near || time_ms - newest_ms <= LOOKBACK_MS && is_there(receiver, raw, time_ms - 1)
        });
        newest_ms = Some(time_ms);
        match spans.last_mut() {
            Some(span) if goes_on => span.times_ms.push(time_ms),
            _ => spans.push(Span { labels: raw.labels.clone(), times_ms: vec![time_ms] }),
        }
    }
    spans
}

/// Asks PromQL whether the series is there at that time. A VictoriaMetrics has shown its stale
/// markers.
fn is_there(receiver: &RealReceiver, raw: &Raw, time_ms: i64) -> bool {
    let quoted = |(name, value): &(String, String)| format!("{name}={value:?}");
    let matchers: Vec<String> = raw.labels.iter().map(quoted).collect();
    let selector = format!("{{{}}}", matchers.join(","));
    receiver.is_victoriametrics() || !query(receiver, &selector, time_ms).is_empty()
}

fn query(receiver: &RealReceiver, query: &str, time_ms: i64) -> Vec<Json> {
    let time = seconds(time_ms);
    let path = format!("/api/v1/query?query={}&time={time}", percent_encoded(query));
    let (status, body) = receiver.get(&path);
    assert_eq!(status, 200, "{query}: {body}");
    let json = Json::parse(&body).unwrap_or_else(|error| panic!("{query}: {error} in {body:.300}"));
    json.get("data").get("result").array().to_vec()
}

fn raw_of_victoriametrics(
    receiver: &RealReceiver,
    selector: &str,
    start_ms: i64,
    end_ms: i64,
) -> Vec<Raw> {
    // Otherwise new samples show after seconds.
    receiver.get("/internal/force_flush");
    let (start, end) = (seconds(start_ms), seconds(end_ms));
    let selector = percent_encoded(selector);
    let path = format!("/api/v1/export?match[]={selector}&start={start}&end={end}");
    let (status, body) = receiver.get(&path);
    assert_eq!(status, 200, "{path}: {body}");
    let mut all: Vec<Raw> = Vec::new();
    for line in body.lines() {
        let json = Json::parse(line).unwrap_or_else(|error| panic!("{error} in {line:.300}"));
        let labels = labels(json.get("metric"));
        let values = json.get("values").array().iter().map(|value| match value {
            Json::Number(text) => text.parse().expect("a number"),
            _ => f64::NAN,
        });
        let samples = json.get("timestamps").array().iter().map(Json::number).zip(values);
        // A series comes in as many lines as it has blocks.
        match all.iter_mut().find(|raw| raw.labels == labels) {
            Some(raw) => raw.samples.extend(samples),
            None => all.push(Raw { labels, samples: samples.collect() }),
        }
    }
    for raw in &mut all {
        raw.samples.sort_by_key(|(time_ms, _)| *time_ms);
    }
    all
}

fn labels(metric: &Json) -> Labels {
    let Json::Object(members) = metric else { panic!("{metric:?} is no label set") };
    members.iter().map(|(name, value)| (name.clone(), value.text().to_owned())).collect()
}

/// Reads `[1700000000.5,"1"]`.
fn sample(pair: &Json) -> (i64, f64) {
    let [time, value] = pair.array() else { panic!("{pair:?} is no sample") };
    (ms(time), value.text().parse().expect("a value"))
}

/// Reads seconds, as milliseconds.
#[track_caller]
pub(crate) fn ms(seconds: &Json) -> i64 {
    let Json::Number(text) = seconds else { panic!("{seconds:?} is no number") };
    real_receiver::ms(text)
}
