//! The date of an HTTP header, read into milliseconds since the Unix epoch.
//!
//! Only the IMF form (`Sun, 06 Nov 1994 08:49:37 GMT`); the two obsolete ones are ignored.
//! Source: RFC 9110, section 5.6.7.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::series::TimestampMs;

/// The IMF form is that of mail, at its full length.
const IMF_BYTES: usize = "Sun, 06 Nov 1994 08:49:37 GMT".len();

/// Parses an IMF date; `None` for anything else. A leap second (:60) is read as :59.
pub(super) fn parse(text: &str) -> Option<TimestampMs> {
    if text.len() != IMF_BYTES || !text.ends_with(" GMT") {
        return None;
    }
    let date = OffsetDateTime::parse(text, &Rfc2822).ok()?;
    Some(TimestampMs(date.unix_timestamp() * 1000))
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
