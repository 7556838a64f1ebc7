//! Numbers, durations, times and offsets, from text to units. Pure; every bound is checked here.

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::{BadInput, unusable};
use crate::remote_write::Protocol;
use crate::series::{MetricType, Period, Seasonality, TimestampMs, WEEKDAYS};

/// Longest duration: ten years with their leap days.
pub(super) const DURATION_MS_MAX: u64 = 3653 * 24 * 3_600_000;
/// Latest time, 5000-01-01: far from overflow, and below any epoch in milliseconds.
const TIME_MS_MAX: i64 = 95_617_584_000_000;

/// Largest number: with it every sum and product of a series is finite.
const NUMBER_MAX: f64 = 1e100;

/// Parses a finite number.
pub(super) fn number(text: &str) -> Result<f64, BadInput> {
    let hint = "give a number like 0.1 or -2e3";
    match text.parse::<f64>() {
        Ok(number) if number.abs() <= NUMBER_MAX => Ok(number),
        Ok(number) if number.is_finite() => Err(unusable("is beyond 1e100", hint)),
        Ok(_) => Err(unusable("is not finite", hint)),
        Err(_) => Err(unusable("is not a number", hint)),
    }
}

/// Parses a finite number that is not negative.
pub(super) fn positive_number(text: &str) -> Result<f64, BadInput> {
    match number(text)? {
        number if number < 0.0 => Err(unusable("is negative", "give 0 or more")),
        number => Ok(number),
    }
}

/// Parses one of these words to what it stands for; `what` they are, as in "a format".
pub(super) fn choice<T: Copy>(
    text: &str,
    what: &str,
    choices: &[(&str, T)],
) -> Result<T, BadInput> {
    let chosen = choices.iter().find(|(word, _)| *word == text);
    let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
    let (last, others) = words.split_last().expect("there is a choice");
    let hint = || format!("give {} or {last}", others.join(", "));
    chosen.map(|(_, choice)| *choice).ok_or_else(|| unusable(format!("is not {what}"), hint()))
}

/// Parses the type of a metric.
pub(super) fn metric_type(text: &str) -> Result<MetricType, BadInput> {
    let types = [MetricType::Gauge, MetricType::Counter].map(|kind| (kind.name(), kind));
    choice(text, "a metric type", &types)
}

/// Parses a seed, 0 to 4294967295.
pub(super) fn seed(text: &str) -> Result<u32, BadInput> {
    text.parse().map_err(|_| unusable("is not a seed", "give a whole number, 0 to 4294967295"))
}

/// Parses the size of a batch, 1 to 100,000 samples.
pub(super) fn batch_size(text: &str) -> Result<usize, BadInput> {
    let size = text.parse().ok().filter(|size| (1..=100_000).contains(size));
    size.ok_or_else(|| unusable("is not a batch size", "give a whole number, 1 to 100000"))
}

/// Parses a version of remote write.
pub(super) fn protocol(text: &str) -> Result<Protocol, BadInput> {
    let versions = [("1", Protocol::V1), ("2", Protocol::V2), ("auto", Protocol::Auto)];
    choice(text, "a version of remote write", &versions)
}

/// Parses a chart's width.
pub(super) fn columns(text: &str) -> Result<usize, BadInput> {
    match text.parse() {
        Ok(columns @ 20..=1000) => Ok(columns),
        _ => Err(unusable("is not a width", "give a whole number, 20 to 1000")),
    }
}

/// Parses a duration with its unit; 0 is allowed.
pub(super) fn duration_or_zero(text: &str) -> Result<Duration, BadInput> {
    let hint = "give a whole number and a unit: 20ms, 30s, 5m, 1h or 21d";
    let digits = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let (count, unit) = text.split_at(text.len() - digits.len());
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 24 * 3_600_000,
        "" if !text.is_empty() => return Err(unusable("has no unit", hint)),
        _ if text.starts_with('-') => return Err(unusable("is negative", hint)),
        _ if unit.starts_with('.') => return Err(unusable("is not a whole number", hint)),
        _ => return Err(unusable("is not a duration", hint)),
    };
    if count.is_empty() {
        return Err(unusable("is not a duration", hint));
    }
    // Digits alone fail to parse only when there are too many of them.
    let count = count.parse::<u64>().unwrap_or(u64::MAX);
    match count.checked_mul(unit_ms) {
        Some(ms) if ms <= DURATION_MS_MAX => Ok(Duration::from_millis(ms)),
        _ => Err(unusable("is over 10 years", "give a shorter one")),
    }
}

/// Returns a parsed duration in milliseconds.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).expect("durations are bounded to 10 years")
}

/// Parses a duration with its unit, more than 0.
pub(super) fn duration(text: &str) -> Result<Duration, BadInput> {
    match duration_or_zero(text)? {
        Duration::ZERO => Err(unusable("is zero", "give at least 1ms")),
        duration => Ok(duration),
    }
}

/// Parses a duration, more than 0, in which a bare number is minutes.
pub(super) fn minutes(text: &str) -> Result<Duration, BadInput> {
    let bare = is_number(text);
    let with_unit = if bare { format!("{text}m") } else { text.to_string() };
    duration(&with_unit).map_err(|error| match error.problem.as_str() {
        "is over 10 years" => error,
        _ => BadInput { hint: "give whole minutes, as in 30, or 10s, 2h, 21d".into(), ..error },
    })
}

/// Parses epoch seconds, down to milliseconds, or RFC 3339; 1970 to 4999.
pub(super) fn time(text: &str) -> Result<TimestampMs, BadInput> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let timestamp_ms = if is_number(seconds) && is_number(fraction) {
        epoch_ms(seconds, fraction)?
    } else {
        rfc3339_ms(text)?
    };
    if !(0..TIME_MS_MAX).contains(&timestamp_ms) {
        return Err(unusable("is out of range", "give a time in the years 1970 to 4999"));
    }
    Ok(TimestampMs(timestamp_ms))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn epoch_ms(seconds: &str, fraction: &str) -> Result<i64, BadInput> {
    let significant = seconds.trim_start_matches('0');
    if significant.len() == 13 {
        let hint = format!("give seconds, as in {}", &significant[..10]);
        return Err(unusable("looks like milliseconds", hint));
    }
    let decimals = fraction.trim_end_matches('0');
    if decimals.len() > 3 {
        return Err(too_fine());
    }
    // Digits fail to parse only when there are too many of them.
    Ok(format!("{seconds}{decimals:0<3}").parse().unwrap_or(i64::MAX))
}

fn too_fine() -> BadInput {
    unusable("is finer than a millisecond", "give at most 3 decimals")
}

/// Parses `2025-12-17T11:00:00Z`, with a fraction or an offset.
/// Source: RFC 3339, section 5.6.
fn rfc3339_ms(text: &str) -> Result<i64, BadInput> {
    let parse = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
    // The library takes any character between date and time, and leap seconds.
    let is_plain = matches!(text.as_bytes().get(10), Some(b'T' | b't' | b' '))
        && text.get(17..19) != Some("60");
    match parse(text).filter(|_| is_plain) {
        Some(time) if time.nanosecond().is_multiple_of(1_000_000) => {
            Ok(time.unix_timestamp() * 1000 + i64::from(time.millisecond()))
        }
        Some(_) => Err(too_fine()),
        None if is_plain && parse(&format!("{text}Z")).is_some() => {
            Err(unusable("has no offset from UTC", "add Z for UTC, or one like +01:00"))
        }
        None => {
            let hint = "give epoch seconds or RFC 3339, as in 2025-12-17T11:00:00Z";
            Err(unusable("is not a time", hint))
        }
    }
}

/// Parses `+HH:MM` or `-HH:MM` to milliseconds.
pub(super) fn utc_offset_ms(text: &str) -> Result<i64, BadInput> {
    let wrong = || unusable("is not an offset from UTC", "write +HH:MM or -HH:MM, as in +05:30");
    let sign = match text.as_bytes().first() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return Err(wrong()),
    };
    let minutes = minute_of_day(&text[1..]).ok_or_else(wrong)?;
    Ok(sign * i64::from(minutes) * 60_000)
}

/// Parses `HH:MM`, 00:00 to 23:59.
fn minute_of_day(text: &str) -> Option<u32> {
    let (hour, minute) = text.split_once(':')?;
    let number =
        |text: &str| if text.len() == 2 && is_number(text) { text.parse().ok() } else { None };
    let (hour, minute): (u32, u32) = (number(hour)?, number(minute)?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

/// Parses `default`, `none` or the knots of a day, `HH:MM=V,...`.
pub(super) fn seasonality(text: &str) -> Result<Option<Seasonality>, BadInput> {
    match text {
        "default" => Ok(Some(Seasonality::default())),
        "none" => Ok(None),
        _ => {
            let hint = "give default, none or knots like 00:00=1,08:30=17.5,20:00=3";
            let wrong =
                |knot: &str| unusable(format!("has knot '{knot}', which is not HH:MM=V"), hint);
            curve(text, Period::Day, minute_of_day, wrong)
        }
    }
}

/// Parses `none` or the knots of a week, `DAY[THH:MM]=V,...`.
pub(super) fn weekly_seasonality(text: &str) -> Result<Option<Seasonality>, BadInput> {
    if text == "none" {
        return Ok(None);
    }
    let hint = "give none or knots like Mon=0,SatT08:30=-6,Sun=-8";
    let wrong =
        |knot: &str| unusable(format!("has knot '{knot}', which is not DAY[THH:MM]=V"), hint);
    curve(text, Period::Week, minute_of_week, wrong)
}

/// Parses `Mon` to `Sun`, at midnight or at a time as in `SunT12:00`.
fn minute_of_week(text: &str) -> Option<u32> {
    let (day, time) = text.split_at_checked(3)?;
    let day = (0..).zip(WEEKDAYS).find_map(|(k, name)| (name == day).then_some(k))?;
    let minute = if time.is_empty() { 0 } else { minute_of_day(time.strip_prefix('T')?)? };
    Some(day * Period::Day.minutes() + minute)
}

fn curve(
    text: &str,
    period: Period,
    minute: fn(&str) -> Option<u32>,
    wrong: impl Fn(&str) -> BadInput,
) -> Result<Option<Seasonality>, BadInput> {
    let knot = |knot: &str| {
        let (at, value) = knot.split_once('=')?;
        Some((minute(at.trim())?, number(value.trim()).ok()?))
    };
    let knots: Result<Vec<_>, _> =
        text.split(',').map(|typed| knot(typed).ok_or_else(|| wrong(typed))).collect();
    let curve = Seasonality::new(period, &knots?);
    curve.map(Some).map_err(|error| unusable(error, ""))
}

#[cfg(test)]
mod tests {
    use crate::plan::show_duration;
    use std::fmt::Debug;

    use super::*;
    use crate::generated::Random;

    #[track_caller]
    fn check<T: Debug>(parsed: Result<T, BadInput>, expected: &str) {
        let shown = match parsed {
            Ok(value) => format!("{value:?}"),
            Err(BadInput { problem, .. }) => problem,
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn numbers_are_finite() {
        check(number("-0.5e1"), "-5.0");
        for text in ["NaN", "inf", "-infinity", "1e999"] {
            check(number(text), "is not finite");
        }
        check(number("-1e100"), "-1e100");
        for text in ["1.1e100", "-1e308"] {
            check(number(text), "is beyond 1e100");
        }
        for text in ["", "x", "1,5", " 1", "0x10"] {
            check(number(text), "is not a number");
        }
        check(positive_number("0"), "0.0");
        check(positive_number("-1"), "is negative");
        check(seed("4294967295"), "4294967295");
        check(seed("4294967296"), "is not a seed");
        check(seed("-1"), "is not a seed");
    }

    #[test]
    fn durations_need_a_unit() {
        check(duration("20ms"), "20ms");
        check(duration("30s"), "30s");
        check(duration("5m"), "300s");
        check(duration("1h"), "3600s");
        check(duration("21d"), "1814400s");
        check(duration("3653d"), "315619200s");
        check(duration_or_zero("0s"), "0ns");
        check(duration("0s"), "is zero");
        check(duration("30"), "has no unit");
        check(duration("-5m"), "is negative");
        check(duration("1.5h"), "is not a whole number");
        check(duration("3654d"), "is over 10 years");
        check(duration("99999999999999999999999s"), "is over 10 years");
        for text in ["", "m", "5 m", "5min", "+5m", "1h30m", "٣m"] {
            check(duration(text), "is not a duration");
        }
    }

    #[test]
    fn bare_numbers_are_minutes_where_allowed() {
        check(minutes("30"), "1800s");
        check(minutes("10s"), "10s");
        check(minutes("0"), "is zero");
        check(minutes("-5"), "is negative");
        check(minutes("1.5"), "is not a whole number");
        check(minutes("soon"), "is not a duration");
        check(minutes(""), "is not a duration");
        check(minutes("99999999"), "is over 10 years");
    }

    #[test]
    fn durations_are_shown_as_they_are_read() {
        for text in ["1ms", "1500ms", "90s", "1m", "90m", "1h", "36h", "21d"] {
            assert_eq!(show_duration(duration(text).unwrap()), text);
        }
        assert_eq!(show_duration(Duration::ZERO), "0ms");
    }

    #[test]
    fn times_are_epoch_seconds_or_rfc_3339() {
        check(time("0"), "TimestampMs(0)");
        check(time("1765969200"), "TimestampMs(1765969200000)");
        check(time("1765969200.25"), "TimestampMs(1765969200250)");
        check(time("1765969200.2500"), "TimestampMs(1765969200250)");
        check(time("2025-12-17T11:00:00Z"), "TimestampMs(1765969200000)");
        check(time("2025-12-17t11:00:00.250z"), "TimestampMs(1765969200250)");
        check(time("2025-12-17 12:30:00+01:30"), "TimestampMs(1765969200000)");
        check(time("2024-02-29T23:59:59-00:30"), "TimestampMs(1709252999000)");
        check(time("1765969200000"), "looks like milliseconds");
        check(time("1765969200.1234"), "is finer than a millisecond");
        check(time("2025-12-17T11:00:00"), "has no offset from UTC");
        check(time("1969-12-31T23:59:59Z"), "is out of range");
        check(time("5000-01-01T00:00:00Z"), "is out of range");
        check(time("4999-12-31T23:59:59Z"), "TimestampMs(95617583999000)");
        check(time("99999999999999999999"), "is out of range");
        for text in [
            "",
            "-1",
            "now",
            "1.",
            ".5",
            "1e9",
            "2025-12-17",
            "2025-02-29T00:00:00Z",
            "2025-12-17T24:00:00Z",
            "2025-12-17T11:00:60Z",
            "2025-12-17T11:00:00.Z",
            "2025-12-17T11:00:00+1:00",
            "2025-12-17T11:00:00Zx",
            "２０２５-12-17T11:00:00Z",
        ] {
            check(time(text), "is not a time");
        }
        let seconds = time("1765969200250").unwrap_err().hint;
        assert_eq!(seconds, "give seconds, as in 1765969200");
    }

    #[test]
    fn times_are_shown_as_they_are_read() {
        for text in ["0", "1765969200", "1765969200.250", "1765969200.001"] {
            assert_eq!(time(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn offsets_have_a_sign() {
        check(utc_offset_ms("+05:30"), "19800000");
        check(utc_offset_ms("-08:00"), "-28800000");
        check(utc_offset_ms("+00:00"), "0");
        for text in ["", "+", "05:30", "+24:00", "+5:30", "+05:60", "Z", "+０5:30"] {
            check(utc_offset_ms(text), "is not an offset from UTC");
        }
    }

    #[test]
    fn seasons_are_named_or_given_as_knots() {
        assert_eq!(seasonality("none"), Ok(None));
        assert_eq!(seasonality("default"), Ok(Some(Seasonality::default())));
        let knots = Seasonality::new(Period::Day, &[(0, 1.0), (510, 17.5), (1200, 3.0)]).unwrap();
        assert_eq!(seasonality("00:00=1,08:30=17.5, 20:00=3"), Ok(Some(knots)));
        check(seasonality("00:00=1,8=2"), "has knot '8=2', which is not HH:MM=V");
        check(seasonality("00:00=1,24:00=2"), "has knot '24:00=2', which is not HH:MM=V");
        check(seasonality("00:00=1,08:00=inf"), "has knot '08:00=inf', which is not HH:MM=V");
        check(seasonality(""), "has knot '', which is not HH:MM=V");
    }

    #[test]
    fn weeks_are_given_as_knots() {
        assert_eq!(weekly_seasonality("none"), Ok(None));
        let knots = [(0, 0.0), (7200, -6.0), (9360, -8.0)];
        let knots = Seasonality::new(Period::Week, &knots).unwrap();
        assert_eq!(weekly_seasonality("SatT00:00=-6,Mon=0, SunT12:00 = -8"), Ok(Some(knots)));
        let each = WEEKDAYS.map(|day| format!("{day}=1")).join(",");
        assert!(weekly_seasonality(&each).is_ok());
        for knot in ["default", "", "Mon", "mon=0", "Mon=x", "Mon=1e101", "Monday=1", "MonT=1"] {
            let expected = format!("has knot '{knot}', which is not DAY[THH:MM]=V");
            check(weekly_seasonality(&format!("Sun=1,{knot}")), &expected);
        }
        for knot in
            ["MonT24:00=1", "MonT8:00=1", "Mon08:00=1", "Mont08:00=1", "08:00=1", "T08:00=1"]
        {
            let expected = format!("has knot '{knot}', which is not DAY[THH:MM]=V");
            check(weekly_seasonality(knot), &expected);
        }
        let expected = "the seasonality has two knots at MonT00:00; keep one";
        check(weekly_seasonality("Mon=1,MonT00:00=2"), expected);
    }

    #[test]
    fn generated_durations_and_times_never_panic() {
        let mut random = Random::new(2);
        for round in 0..100_000 {
            let text = random.text("0123456789msdh.-+:TZé ");
            if let Ok(parsed) = duration(&text) {
                assert_eq!(duration(&show_duration(parsed)), Ok(parsed), "{text}");
            }
            let _ = (minutes(&text), number(&text), utc_offset_ms(&text), seasonality(&text));
            let _ = weekly_seasonality(&random.mutated("Mon=0,Sat=-6,SunT12:00=-8"));
            let text = match round % 3 {
                0 => text,
                1 => random.mutated("2025-12-17T11:00:00.250+01:30"),
                _ => random.mutated("1765969200.250"),
            };
            if let Ok(parsed) = time(&text) {
                assert_eq!(time(&parsed.to_string()), Ok(parsed), "{text}");
            }
        }
    }
}
