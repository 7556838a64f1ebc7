//! Durations, offsets and counts in words.

/// Returns a duration in the largest unit that divides it: "30 minutes", "90 seconds", "20 ms".
pub fn in_words(duration_ms: u64) -> String {
    match duration_ms {
        ms if ms > 0 && ms % 60_000 == 0 => count_of(ms / 60_000, "minute"),
        ms if ms % 1000 == 0 => count_of(ms / 1000, "second"),
        ms if ms < 1000 => format!("{ms} ms"),
        ms => format!("{} seconds", ms as f64 / 1000.0),
    }
}

/// Returns a step after "per": "minute", "second", "15 minutes".
pub fn step_in_words(step_ms: u64) -> String {
    in_words(step_ms).trim_start_matches("1 ").to_owned()
}

/// Returns a count with its noun: "1 datapoint", "30 datapoints".
pub fn count_of(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// Returns a wait: in whole seconds, rounded up, from ten seconds on.
pub fn rounded_seconds(duration_ms: u64) -> String {
    match duration_ms {
        10_000.. => count_of(duration_ms.div_ceil(1000), "second"),
        _ => in_words(duration_ms),
    }
}

/// Returns an offset from UTC: "UTC", "UTC+01:00", with seconds where it has any.
pub fn offset_in_words(offset_seconds: i32) -> String {
    let sign = if offset_seconds < 0 { '-' } else { '+' };
    let seconds = offset_seconds.unsigned_abs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0) => "UTC".to_owned(),
        (hours, minutes, 0) => format!("UTC{sign}{hours:02}:{minutes:02}"),
        (hours, minutes, seconds) => format!("UTC{sign}{hours:02}:{minutes:02}:{seconds:02}"),
    }
}

/// Returns `text` in lines of `columns` characters, broken at spaces; a longer word is a line.
pub fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_take_the_largest_whole_unit() {
        let cases = [
            (1_800_000, "30 minutes"),
            (60_000, "1 minute"),
            (90_000, "90 seconds"),
            (1000, "1 second"),
            (1500, "1.5 seconds"),
            (20, "20 ms"),
            (0, "0 seconds"),
        ];
        for (ms, expected) in cases {
            assert_eq!(in_words(ms), expected);
        }
    }

    #[test]
    fn waits_are_rounded_to_what_a_reader_needs() {
        assert_eq!(rounded_seconds(59_980), "60 seconds");
        assert_eq!(rounded_seconds(59_020), "60 seconds");
        assert_eq!(rounded_seconds(980), "980 ms");
        assert_eq!(rounded_seconds(1000), "1 second");
    }

    #[test]
    fn offsets_have_a_sign_and_seconds_only_where_they_must() {
        for (seconds, expected) in [
            (0, "UTC"),
            (3600, "UTC+01:00"),
            (-12_600, "UTC-03:30"),
            (-2670, "UTC-00:44:30"),
            (50_400, "UTC+14:00"),
        ] {
            assert_eq!(offset_in_words(seconds), expected);
        }
    }

    #[test]
    fn long_text_is_wrapped() {
        #[track_caller]
        fn check(text: &str, expected: &[&str]) {
            assert_eq!(wrapped(text, 6), expected);
        }
        check("", &[""]);
        check("a bc def", &["a bc", "def"]);
        check("a abcdefgh", &["a", "abcdefgh"]);
    }
}
