//! Times in the headers of an answer: `Date` and `Retry-After`.
//!
//! Of dates only the IMF form (`Sun, 06 Nov 1994 08:49:37 GMT`); the two obsolete ones are
//! ignored. Source: RFC 9110, section 5.6.7.

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::series::TimestampMs;

/// The IMF form is that of mail, at its full length.
const IMF_BYTES: usize = "Sun, 06 Nov 1994 08:49:37 GMT".len();

/// Parses an IMF date; `None` for anything else. A leap second (:60) is read as :59.
pub(super) fn imf_date(text: &str) -> Option<TimestampMs> {
    if text.len() != IMF_BYTES || !text.ends_with(" GMT") {
        return None;
    }
    let date = OffsetDateTime::parse(text, &Rfc2822).ok()?;
    Some(TimestampMs(date.unix_timestamp() * 1000))
}

/// Returns the duration of a `Retry-After` header; `None` when negative, past or neither form.
/// Source: RFC 9110, section 10.2.3.
pub(super) fn retry_after(text: &str, now: TimestampMs) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let ahead_ms = imf_date(text)?.0.checked_sub(now.0)?;
    u64::try_from(ahead_ms).ok().filter(|ms| *ms > 0).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::Random;

    #[track_caller]
    fn check(text: &str, expected_ms: Option<i64>) {
        assert_eq!(imf_date(text), expected_ms.map(TimestampMs), "{text:?}");
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

    #[track_caller]
    fn check_retry_after(text: &str, expected: Option<u64>) {
        let now = TimestampMs(784_111_777_000);
        assert_eq!(retry_after(text, now), expected.map(Duration::from_secs), "{text:?}");
    }

    #[test]
    fn retry_after_takes_seconds_and_imf_dates() {
        check_retry_after("0", Some(0));
        check_retry_after(" 120 ", Some(120));
        check_retry_after("99999999999999999999999", Some(u64::MAX));
        check_retry_after("Sun, 06 Nov 1994 08:49:47 GMT", Some(10));
        check_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", None);
        check_retry_after("Sun, 06 Nov 1994 08:49:07 GMT", None);
        check_retry_after("-5", None);
        check_retry_after("1.5", None);
        check_retry_after("soon", None);
        check_retry_after("", None);
    }

    #[test]
    fn generated_retry_after_never_panics() {
        let mut random = Random::new(7);
        for _ in 0..100_000 {
            let text = match random.below(2) {
                0 => random.mutated("Sun, 06 Nov 1994 08:49:47 GMT"),
                _ => random.text("0123456789 :,-.SunNovGMT\u{e9}"),
            };
            let _ = retry_after(&text, TimestampMs(i64::MIN));
        }
    }
}
