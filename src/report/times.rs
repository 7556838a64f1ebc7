//! Times as text: local time, by the offset from UTC at that time, and UTC.

use std::ops::Range;
use std::time::SystemTime;

use time::{OffsetDateTime, UtcOffset};

use super::words::offset_in_words;
use crate::series::TimestampMs;

/// Returns `time` as date and time in UTC, with milliseconds where it has any.
pub fn utc_time(time: TimestampMs) -> String {
    shown_time(time, |utc| utc)
}

/// Returns `time` as local date and time, with milliseconds where it has any.
pub(super) fn local_time(time: TimestampMs) -> String {
    shown_time(time, local)
}

/// Returns the current time in UTC, as in RFC 3339.
pub(super) fn utc_now() -> String {
    let now = OffsetDateTime::from(SystemTime::now());
    date_and_time(now, Some(b'.')).replace(' ', "T") + "Z"
}

/// Returns the current local time in the form of the log.
pub(super) fn local_now() -> String {
    date_and_time(local(SystemTime::now().into()), Some(b','))
}

/// Returns the offset of local time from UTC in words: now, and in the window if it differs.
pub(super) fn zone(window: Range<TimestampMs>) -> String {
    let in_words = |time| offset_in_words(offset_at(time).whole_seconds());
    let at = |time| date_time(time).map(in_words).unwrap_or_default();
    let (now, start, end) = (in_words(SystemTime::now().into()), at(window.start), at(window.end));
    if now == start && now == end {
        return now;
    }
    format!("{now} now, {start} at the start, {end} at the end of the window")
}

fn shown_time(time: TimestampMs, zone: fn(OffsetDateTime) -> OffsetDateTime) -> String {
    let Some(shown) = date_time(time).map(zone) else { return time.0.to_string() };
    date_and_time(shown, (shown.millisecond() > 0).then_some(b'.'))
}

fn date_time(time: TimestampMs) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(time.0) * 1_000_000).ok()
}

fn local(time: OffsetDateTime) -> OffsetDateTime {
    time.checked_to_offset(offset_at(time)).unwrap_or(time)
}

/// Returns the offset of local time from UTC at this time; UTC if the host does not know it.
///
/// It reads the environment, which this program never changes, so any thread may call it.
fn offset_at(time: OffsetDateTime) -> UtcOffset {
    UtcOffset::local_offset_at(time).unwrap_or(UtcOffset::UTC)
}

/// Returns date and time, with milliseconds after `ms_separator` where there is one.
///
/// By hand: `format!` takes ten times as long, and the lines of one datapoint show three times.
fn date_and_time(time: OffsetDateTime, ms_separator: Option<u8>) -> String {
    let (date, clock) = (time.date(), time.time());
    let (year, ms) = (date.year().unsigned_abs() % 10_000, u32::from(clock.millisecond()));
    let parts = [year / 100, year % 100, ms / 10, ms % 10];
    let [century, year, ms, last] = parts.map(|part| u8::try_from(part).expect("it is below 100"));
    let [month, day] = [date.month().into(), date.day()];
    let numbers = [century, year, month, day, clock.hour(), clock.minute(), clock.second(), ms];
    let mut text = *b"0000-00-00 00:00:00.000";
    for (at, number) in [0, 2, 5, 8, 11, 14, 17, 20].into_iter().zip(numbers) {
        text[at] += number / 10;
        text[at + 1] += number % 10;
    }
    text[22] += last;
    text[19] = ms_separator.unwrap_or_default();
    let length = if ms_separator.is_some() { text.len() } else { 19 };
    str::from_utf8(&text[..length]).expect("it is ASCII").to_owned()
}
