//! The date of an HTTP header, read into milliseconds since the Unix epoch.
//!
//! Only the IMF form (`Sun, 06 Nov 1994 08:49:37 GMT`); the two obsolete ones are ignored.
//! Source: RFC 9110, section 5.6.7.

use time::{Date, Month, PrimitiveDateTime, Time};

use crate::series::TimestampMs;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Parses an IMF date; `None` for anything else.
pub(super) fn parse(text: &str) -> Option<TimestampMs> {
    let (_weekday, rest) = text.split_once(", ")?;
    let mut fields = rest.split(' ');
    let day = digits(fields.next()?, 2)?;
    let month_name = fields.next()?;
    let year = digits(fields.next()?, 4)?;
    let mut clock = fields.next()?.split(':');
    let (hour, minute, second) =
        (digits(clock.next()?, 2)?, digits(clock.next()?, 2)?, digits(clock.next()?, 2)?);
    if fields.next()? != "GMT" || fields.next().is_some() || clock.next().is_some() {
        return None;
    }
    let month = MONTHS.iter().position(|name| *name == month_name)?;
    let month = Month::try_from(u8::try_from(month + 1).ok()?).ok()?;
    let date = Date::from_calendar_date(i32::from(year), month, u8::try_from(day).ok()?).ok()?;
    let small = |number: u16| u8::try_from(number).ok();
    // A leap second (:60) is read as :59.
    let time = Time::from_hms(small(hour)?, small(minute)?, small(second)?.min(59)).ok()?;
    let seconds = PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp();
    Some(TimestampMs(seconds * 1000))
}

fn digits(text: &str, length: usize) -> Option<u16> {
    let all_digits = text.len() == length && text.bytes().all(|b| b.is_ascii_digit());
    if all_digits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected_ms: Option<i64>) {
        assert_eq!(parse(text), expected_ms.map(TimestampMs), "{text:?}");
    }

    #[test]
    fn imf_dates_are_read_and_nothing_else() {
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777_000));
        check("Thu, 29 Feb 2024 23:59:60 GMT", Some(1_709_251_199_000));
        check("Thu, 30 Feb 2024 00:00:00 GMT", None);
        check("Sunday, 06-Nov-94 08:49:37 GMT", None);
        check("Sun, 06 Nov 1994 08:49:37 CET", None);
        check("Sun, 6 Nov 1994 08:49:37 GMT", None);
        check("Sun, 06 Nov 1994 +8:49:37 GMT", None);
        check("", None);
    }
}
