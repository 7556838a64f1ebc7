//! `--incident`: from text to each series' own list of known trouble. Pure; every bound is
//! checked here.
//!
//! ```text
//! KIND@AT+LENGTH[/EVERY][=VALUE][,LABEL=VALUE...]
//! reset@AT[/EVERY][,LABEL=VALUE...]
//! ```

use std::collections::HashMap;

use super::args::nearest;
use super::values;
use crate::error::{BadInput, Escaped, unusable};
use crate::labels::Selector;
use crate::plan::{Named, Plan};
use crate::series::{Effect, Grid, Incident, Incidents, Kind, MetricType, Series, TimestampMs};

/// Most incidents of a command.
const COUNT_MAX: usize = 1_000;
/// Every kind.
const KINDS: [&str; 8] = ["shift", "ramp", "spike", "scale", "noise", "flat", "gap", "reset"];
const FORM: &str = "write KIND@AT+LENGTH[/EVERY][=VALUE][,LABEL=VALUE...]";

/// Adds what the `--incident` texts of a command mean for the series of its plan. Equal lists are
/// shared.
///
/// # Errors
/// Names the first text that cannot be used.
pub fn add(plan: &mut Plan, typed: &[&str], warnings: &mut Vec<String>) -> Result<(), BadInput> {
    if typed.is_empty() {
        return Ok(());
    }
    if typed.len() > COUNT_MAX {
        let problem = format!("is given {} times; at most {COUNT_MAX} are possible", typed.len());
        let hint = "repeat one by /EVERY instead";
        return Err(unusable(problem, hint).at("--incident", None));
    }
    let mut parsed = Vec::new();
    for (number, text) in (1..).zip(typed) {
        parsed.push(parse(number, text, &plan.model, warnings)?);
    }
    let mut shared: HashMap<Vec<u16>, Incidents> = HashMap::new();
    let mut series_counts = vec![0; parsed.len()];
    for labels in &plan.label_sets {
        let mut own = Vec::new();
        for (count, (incident, selector)) in series_counts.iter_mut().zip(&parsed) {
            if selector.as_ref().is_none_or(|selector| selector.matches(labels)) {
                own.push(*incident);
                *count += 1;
            }
        }
        let numbers = own.iter().map(|incident| incident.number).collect();
        plan.by_series.push(shared.entry(numbers).or_insert_with(|| Incidents::new(own)).clone());
    }
    for ((text, (incident, selector)), series_count) in typed.iter().zip(parsed).zip(series_counts)
    {
        if series_count == 0 {
            let pair = selector.and_then(|selector| selector.unknown_pair(&plan.label_sets));
            let problem = match pair {
                Some(pair) => format!("names {}, which no series has", Escaped(&pair)),
                None => "names labels that no series has together".into(),
            };
            return Err(bad(text, unusable(problem, "give labels that --labels gives")));
        }
        plan.incidents.push(Named { text: (*text).into(), incident, series_count });
    }
    Ok(())
}

fn bad(text: &str, error: BadInput) -> BadInput {
    error.at("--incident", Some(text))
}

/// Parses one text; returns the incident and which series it is for, by default all.
fn parse(
    number: u16,
    text: &str,
    model: &Series,
    warnings: &mut Vec<String>,
) -> Result<(Incident, Option<Selector>), BadInput> {
    let (head, labels) = match comma_outside_quotes(text) {
        Some(comma) => (&text[..comma], Some(&text[comma + 1..])),
        None => (text, None),
    };
    let incident = incident(number, head.trim(), model).map_err(|e| bad(text, e))?;
    if matches!(incident.kind, Kind::Noise(_)) && model.noise.std == 0.0 {
        let problem = "scales the noise, but --noise-std is 0";
        return Err(bad(text, unusable(problem, "give another kind, or a larger --noise-std")));
    }
    if let Some(warning) = check_effect(&incident, model.grid).map_err(|e| bad(text, e))? {
        warnings.push(format!("--incident '{}' {warning}", Escaped(text)));
    }
    if labels.is_some_and(|labels| labels.trim().is_empty()) {
        let hint = "write LABEL=VALUE, or leave the comma out";
        return Err(bad(text, unusable("has no label after its comma", hint)));
    }
    let selector = labels.map(|labels| Selector::parse("--incident", labels, warnings));
    Ok((incident, selector.transpose()?))
}

fn comma_outside_quotes(text: &str) -> Option<usize> {
    let mut is_quoted = false;
    text.char_indices().find_map(|(at, c)| {
        is_quoted ^= c == '"';
        (c == ',' && !is_quoted).then_some(at)
    })
}

/// Parses `KIND@AT+LENGTH[/EVERY][=VALUE]`, or `reset@AT[/EVERY]`.
fn incident(number: u16, head: &str, model: &Series) -> Result<Incident, BadInput> {
    let Grid { origin, step_ms } = model.grid;
    let (when, value) = split_once_if(head, head.find('='));
    let Some((name, times)) = when.split_once('@') else {
        let is_later = head.contains('@');
        let problem = if is_later { "has its value before the '@'" } else { "has no '@'" };
        return Err(unusable(problem, FORM));
    };
    check_name(name)?;
    // Times have `+02:00`, so the length is what follows the last plus.
    let (span, every) = split_once_if(times, times.rfind('/'));
    let (at, length) = split_once_if(span, span.rfind('+'));
    let is_time = |text: &str| values::time(text).is_ok();
    let length = length.filter(|_| !is_time(span));
    let (start_ms, length_ms, shortest) = match (name, length) {
        ("reset", Some(_)) => {
            let problem = "has a length, which a reset does not take";
            return Err(unusable(problem, "leave out + and LENGTH"));
        }
        ("reset", None) if model.metric_type == MetricType::Gauge => {
            return Err(unusable("is a reset, which needs --type counter", "give another kind"));
        }
        // It covers exactly one tick, on the grid or not.
        ("reset", None) => (start_ms(span, origin)?, step_ms, "the step"),
        (_, Some(length)) => (start_ms(at, origin)?, duration_ms("LENGTH", length)?, "LENGTH"),
        (_, None) => {
            start_ms(span, origin)?;
            return Err(unusable("has no length", "write +LENGTH after AT, as in +5m"));
        }
    };
    let every_ms = every.map(|every| duration_ms("EVERY", every)).transpose()?;
    if every_ms.is_some_and(|every_ms| every_ms < length_ms) {
        let every = every.unwrap_or("");
        let problem = format!("has EVERY '{every}', which is shorter than {shortest}");
        return Err(unusable(problem, "give a longer one"));
    }
    let kind = kind(name, value)?;
    Ok(Incident { number, kind, start_ms, length_ms, every_ms })
}

/// Splits a text around the character at an index, if there is one.
fn split_once_if(text: &str, at: Option<usize>) -> (&str, Option<&str>) {
    at.map_or((text, None), |at| (&text[..at], Some(&text[at + 1..])))
}

fn check_name(name: &str) -> Result<(), BadInput> {
    if KINDS.contains(&name) {
        return Ok(());
    }
    let hint = match nearest(name, KINDS.into_iter()) {
        Some(kind) => format!("did you mean {kind}?"),
        None => format!("give one of {}", KINDS.join(", ")),
    };
    Err(unusable(format!("has kind '{}', which is unknown", Escaped(name)), hint))
}

fn kind(name: &str, value: Option<&str>) -> Result<Kind, BadInput> {
    let parser = if name == "noise" { values::positive_number } else { values::number };
    let value = value.map(|text| parser(text).map_err(|e| of("VALUE", text, e))).transpose()?;
    let with_value: fn(f64) -> Kind = match name {
        "flat" => return Ok(Kind::Flat(value)),
        "gap" | "reset" if value.is_some() => {
            let problem = format!("has a value, which a {name} does not take");
            return Err(unusable(problem, "leave out = and VALUE"));
        }
        "gap" => return Ok(Kind::Gap),
        "reset" => return Ok(Kind::Reset),
        "shift" => Kind::Shift,
        "ramp" => Kind::Ramp,
        "spike" => Kind::Spike,
        "scale" => Kind::Scale,
        _ => Kind::Noise,
    };
    let hint = format!("add it, as in {name}@1h+5m=2");
    value.map(with_value).ok_or_else(|| unusable("has no value", hint))
}

/// Returns how long after the origin a DURATION after it, or a TIME, is.
fn start_ms(text: &str, origin: TimestampMs) -> Result<u64, BadInput> {
    // No TIME ends with a small letter.
    if text.ends_with(['s', 'm', 'h', 'd']) {
        let duration = values::duration_or_zero(text).map_err(|e| of("AT", text, e))?;
        return Ok(values::millis(duration).unsigned_abs());
    }
    let hint = "give a DURATION after the origin, as in 10m, or a TIME, as in 2026-01-01T00:00:00Z";
    let time =
        values::time(text).map_err(|e| of("AT", text, BadInput { hint: hint.into(), ..e }))?;
    u64::try_from(time.0 - origin.0).map_err(|_| {
        unusable(
            format!("is before the origin, {origin}"),
            "give a later AT, or an earlier --origin",
        )
    })
}

fn duration_ms(what: &str, text: &str) -> Result<u64, BadInput> {
    let duration = values::duration(text).map_err(|error| of(what, text, error))?;
    Ok(values::millis(duration).unsigned_abs())
}

/// Returns the error of a part of the text.
fn of(what: &str, text: &str, error: BadInput) -> BadInput {
    let problem = format!("has {what} '{}', which {}", Escaped(text), error.problem);
    BadInput { problem, ..error }
}

/// Returns the warning about an incident that changes nothing at some of its occurrences.
fn check_effect(incident: &Incident, grid: Grid) -> Result<Option<String>, BadInput> {
    let is_at_start = matches!(incident.kind, Kind::Ramp(_) | Kind::Spike(_))
        && incident.start_ms.is_multiple_of(grid.step_ms);
    let why = if is_at_start {
        format!("covers only the datapoint at its start, where a {} is 0", incident.kind.name())
    } else {
        "covers no datapoint".into()
    };
    match (incident.effect(grid.step_ms), incident.every_ms) {
        (Effect::Always, _) => Ok(None),
        (_, None) => Err(unusable(why, "give a longer LENGTH, or another AT")),
        (Effect::Sometimes, _) => {
            Ok(Some("changes no datapoint at some of its occurrences".into()))
        }
        (Effect::Never, _) => Ok(Some("changes no datapoint at any of its occurrences".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::start;
    use super::*;
    use crate::generated::Random;
    use crate::labels;

    /// 2025-12-17T11:00:00Z
    const ORIGIN_MS: i64 = 1_765_969_200_000;

    /// Returns a plan of four series with these incidents, and the warnings.
    fn added(typed: &[&str], noise_std: f64) -> (Result<Plan, BadInput>, Vec<String>) {
        added_of(MetricType::Gauge, typed, noise_std)
    }

    fn added_of(
        metric_type: MetricType,
        typed: &[&str],
        noise_std: f64,
    ) -> (Result<Plan, BadInput>, Vec<String>) {
        let mut plan = start().plan("preview").unwrap();
        plan.model.metric_type = metric_type;
        let typed_labels = ["host=web-{1..3},env=ci", "uuid=\"a,b\""];
        let sets = labels::parse(&typed_labels, "cpu", &mut Vec::new()).unwrap();
        plan.label_sets = sets;
        plan.model.grid = Grid { origin: TimestampMs(ORIGIN_MS), step_ms: 60_000 };
        plan.model.noise.std = noise_std;
        let mut warnings = Vec::new();
        let result = add(&mut plan, typed, &mut warnings);
        (result.map(|()| plan), warnings)
    }

    /// Shows kind, start, length, repetition, how many of the four series, and warnings.
    #[track_caller]
    fn check(text: &str, expected: &str) {
        check_of(MetricType::Gauge, text, expected);
    }

    #[track_caller]
    fn check_counter(text: &str, expected: &str) {
        check_of(MetricType::Counter, text, expected);
    }

    #[track_caller]
    fn check_of(metric_type: MetricType, text: &str, expected: &str) {
        let (added, warnings) = added_of(metric_type, &[text], 3.0);
        let shown = match added {
            Ok(Plan { incidents: all, by_series, .. }) => {
                let Named { incident, series_count, .. } = &all[0];
                let Incident { number: 1, kind, start_ms, length_ms, every_ms } = incident else {
                    panic!("{incident:?}")
                };
                let has = by_series.iter().filter(|own| **own == Incidents::new(vec![*incident]));
                assert_eq!(has.count() as u64, *series_count);
                let every = every_ms.map_or(String::new(), |every_ms| format!("/{every_ms}"));
                let shown = format!("{kind} {start_ms}+{length_ms}{every} of {series_count}");
                [vec![shown], warnings].concat().join("; ")
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected);
    }

    #[track_caller]
    fn check_error(text: &str, expected: &str) {
        check(text, &format!("--incident '{text}': {expected}"));
    }

    #[test]
    fn each_kind_has_its_form() {
        check("shift@10m+5m=40", "shift=40 600000+300000 of 4");
        check("ramp@0s+5m=-1e+3", "ramp=-1000 0+300000 of 4");
        check("spike@1h+5m/1d=0.5", "spike=0.5 3600000+300000/86400000 of 4");
        check("scale@1h+5m/5m=1e-3", "scale=0.001 3600000+300000/300000 of 4");
        check("noise@1h+5m=3", "noise=3 3600000+300000 of 4");
        check("flat@1h+5m", "flat 3600000+300000 of 4");
        check("flat@1h+5m=0", "flat=0 3600000+300000 of 4");
        check(" gap@1h+15m/24h ", "gap 3600000+900000/86400000 of 4");
    }

    #[test]
    fn at_is_a_duration_or_a_time() {
        check("gap@2025-12-17T11:01:00Z+2m", "gap 60000+120000 of 4");
        check("gap@2025-12-17T12:01:00+01:00+2m/3m", "gap 60000+120000/180000 of 4");
        check("gap@2025-12-17T10:31:00-00:30+2m", "gap 60000+120000 of 4");
        check("gap@1765969200.250+2m", "gap 250+120000 of 4");
    }

    #[test]
    fn labels_say_which_series_have_it() {
        check("gap@1h+15m,host=web-2", "gap 3600000+900000 of 1");
        check("gap@1h+15m , host=web-{2..9} , env=ci", "gap 3600000+900000 of 2");
        check("shift@1h+15m=3,uuid=\"a,b\"", "shift=3 3600000+900000 of 1");
        check_error(
            "gap@1h+15m,env=ci,host=web-4",
            "names host=web-4, which no series has; give labels that --labels gives",
        );
        check_error(
            "gap@1h+15m,env=ci,uuid=\"a,b\"",
            "names labels that no series has together; give labels that --labels gives",
        );
        check_error(
            "gap@1h+15m,",
            "has no label after its comma; write LABEL=VALUE, or leave the comma out",
        );
        let error = "--incident label 'x': has no '='; write name=value,name=value";
        check("gap@1h+15m,x", error);
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_hint() {
        check_error("shfit@1h+5m=1", "has kind 'shfit', which is unknown; did you mean shift?");
        let kinds = "give one of shift, ramp, spike, scale, noise, flat, gap, reset";
        check_error("outage@1h+5m", &format!("has kind 'outage', which is unknown; {kinds}"));
        check_error("@1h+5m", &format!("has kind '', which is unknown; {kinds}"));
        check_error("gap", &format!("has no '@'; {FORM}"));
        check_error("", &format!("has no '@'; {FORM}"));
        check_error("gap=1@1h+5m", &format!("has its value before the '@'; {FORM}"));
        check_error("shift=40@10m+5m", &format!("has its value before the '@'; {FORM}"));
        let no_length = "has no length; write +LENGTH after AT, as in +5m";
        check_error("gap@1h", no_length);
        check_error("gap@2025-12-17T13:00:00+01:00", no_length);
        check_error(
            "gap@2020-12-17T13:00:00+01:00/5m",
            "is before the origin, 1765969200; give a later AT, or an earlier --origin",
        );
        check_error("gap@1h+0s", "has LENGTH '0s', which is zero; give at least 1ms");
        let form = "give a whole number and a unit: 20ms, 30s, 5m, 1h or 21d";
        check_error("gap@1h+5", &format!("has LENGTH '5', which has no unit; {form}"));
        check_error("gap@1h+", &format!("has LENGTH '', which is not a duration; {form}"));
        check_error("gap@1h+5m/", &format!("has EVERY '', which is not a duration; {form}"));
        check_error(
            "gap@1h+5m/4m",
            "has EVERY '4m', which is shorter than LENGTH; give a longer one",
        );
        let at = "give a DURATION after the origin, as in 10m, or a TIME, as in \
                  2026-01-01T00:00:00Z";
        check_error("gap@soon+5m", &format!("has AT 'soon', which is not a time; {at}"));
        check_error("gap@+5m", &format!("has AT '', which is not a time; {at}"));
        check_error("gap@-5m+5m", &format!("has AT '-5m', which is negative; {form}"));
        check_error(
            "gap@60+5m",
            "is before the origin, 1765969200; give a later AT, or an earlier --origin",
        );
    }

    #[test]
    fn values_are_there_where_they_belong() {
        check_error("scale@1h+5m", "has no value; add it, as in scale@1h+5m=2");
        check_error("gap@1h+5m=0", "has a value, which a gap does not take; leave out = and VALUE");
        let number = "give a number like 0.1 or -2e3";
        check_error("shift@1h+5m=", &format!("has VALUE '', which is not a number; {number}"));
        check_error("shift@1h+5m=NaN", &format!("has VALUE 'NaN', which is not finite; {number}"));
        check_error(
            "ramp@1h+5m=2e100",
            &format!("has VALUE '2e100', which is beyond 1e100; {number}"),
        );
        check_error("flat@1h+5m=1=2", &format!("has VALUE '1=2', which is not a number; {number}"));
        check_error("noise@1h+5m=-1", "has VALUE '-1', which is negative; give 0 or more");
        let (error, _) = added(&["noise@1h+5m=2"], 0.0);
        let expected = "--incident 'noise@1h+5m=2': scales the noise, but --noise-std is 0; \
                        give another kind, or a larger --noise-std";
        assert_eq!(error.unwrap_err().to_string(), expected);
    }

    #[test]
    fn resets_are_of_counters_and_cover_a_step() {
        let gauge = "is a reset, which needs --type counter; give another kind";
        check_error("reset@1h", gauge);
        check_error("reset@2025-12-17T13:00:00+01:00", gauge);
        let length = "has a length, which a reset does not take; leave out + and LENGTH";
        check_error("reset@1h+5m", length);
        check_error("reset@2025-12-17T13:00:00+01:00+5m", length);
        check_counter("reset@1h", "reset 3600000+60000 of 4");
        check_counter(" reset@90s/61s,env=ci ", "reset 90000+60000/61000 of 3");
        check_counter("reset@2025-12-17T13:00:00+01:00/1d", "reset 3600000+60000/86400000 of 4");
        let error = |text: &str, expected: &str| {
            check_counter(text, &format!("--incident '{text}': {expected}"));
        };
        error("reset@1h/59s", "has EVERY '59s', which is shorter than the step; give a longer one");
        error("reset@1h=3", "has a value, which a reset does not take; leave out = and VALUE");
        error("reset@1h+5m", length);
        error(
            "reset@59",
            "is before the origin, 1765969200; give a later AT, or an earlier --origin",
        );
    }

    #[test]
    fn what_changes_nothing_is_said() {
        let hint = "give a longer LENGTH, or another AT";
        check_error("gap@30s+29s", &format!("covers no datapoint; {hint}"));
        check("gap@30s+31s", "gap 30000+31000 of 4");
        let at_start = "covers only the datapoint at its start, where a";
        check_error("ramp@1h+1m=1", &format!("{at_start} ramp is 0; {hint}"));
        check_error("spike@1h+5s=1", &format!("{at_start} spike is 0; {hint}"));
        check("spike@30s+1m=1", "spike=1 30000+60000 of 4");
        check(
            "gap@30s+1s/1m",
            "gap 30000+1000/60000 of 4; \
             --incident 'gap@30s+1s/1m' changes no datapoint at any of its occurrences",
        );
        check(
            "gap@1m+1s/90s",
            "gap 60000+1000/90000 of 4; \
             --incident 'gap@1m+1s/90s' changes no datapoint at some of its occurrences",
        );
    }

    #[test]
    fn a_thousand_are_the_most() {
        assert_eq!(added(&["gap@1h+5m"; 1_000], 3.0).0.unwrap().incidents.len(), 1_000);
        let error = added(&["gap@1h+5m"; 1_001], 3.0).0.unwrap_err().to_string();
        assert_eq!(
            error,
            "--incident: is given 1001 times; at most 1000 are possible; \
             repeat one by /EVERY instead"
        );
    }

    #[test]
    fn each_series_has_its_own_in_order() {
        let typed = ["gap@1h+5m,host=web-2", "flat@1h+5m", "scale@1h+5m=2,env=ci"];
        let Plan { incidents: all, by_series, .. } = added(&typed, 3.0).0.unwrap();
        let numbers = |own: &Incidents| own.iter().map(|i| i.number).collect::<Vec<_>>();
        let numbers: Vec<Vec<u16>> = by_series.iter().map(numbers).collect();
        assert_eq!(numbers, [vec![2, 3], vec![1, 2, 3], vec![2, 3], vec![2]]);
        let counts: Vec<(&str, u64)> =
            all.iter().map(|named| (&*named.text, named.series_count)).collect();
        assert_eq!(counts, [(typed[0], 1), (typed[1], 4), (typed[2], 3)]);
    }

    #[test]
    fn generated_incidents_never_panic() {
        let mut random = Random::new(6);
        let mut good = 0;
        for round in 0..30_000 {
            let text = match round % 4 {
                0 => random.text("gapshift@10m+5/=,\"éT:Z.-"),
                1 => random.mutated("shift@10m+5m/15m=40,host=web-{1..2}"),
                2 => random.mutated("gap@2025-12-17T12:01:00+01:00+2m,uuid=\"a,b\""),
                _ => random.mutated("spike@1765969200+1ms/3653d=1e+3"),
            };
            let (added, _) = added(&[&text], 3.0);
            match added {
                Ok(resolved) => {
                    good += 1;
                    let incident = resolved.incidents[0].incident;
                    assert!(incident.length_ms > 0, "{text}");
                    assert!(incident.every_ms.is_none_or(|e| e >= incident.length_ms), "{text}");
                }
                Err(error) => assert_eq!(error.to_string().lines().count(), 1, "{text}"),
            }
        }
        assert!(good > 3_000, "only {good} can be used");
    }
}
