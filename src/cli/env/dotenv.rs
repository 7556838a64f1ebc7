//! The text of a `.env` file, line by line. Errors name the line and never show its value.
//!
//! A file of `--env-file` is read strictly. A `.env` that was only found belongs to many programs:
//! their lines are ignored, in any form.

use crate::error::{BadInput, unusable};

/// Stands for bytes that were not UTF-8.
const NOT_UTF_8: char = '\u{fffd}';
const NOT_CLOSED: &str = "has a quote that is not closed";

/// A variable of a file: its name, and its value or why its line cannot be read.
pub(super) type Variable = (String, Result<String, BadInput>);

/// Parses the `KEY=VALUE` lines of a file, with `export`, quotes and comments; a `$` stands for
/// itself. Where `ours` is given, only these variables: other lines are ignored, in any form.
///
/// In "double quotes" `\"` and `\\` are escapes, in 'single quotes' and without quotes nothing is.
/// Without quotes a comment starts at a `#` after a space.
pub(super) fn parse(file_name: &str, text: &str, ours: Option<&[&str]>) -> Vec<Variable> {
    // A CR alone would join two lines into one value.
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    let mut variables = Vec::new();
    let (mut start, mut ignored_to) = (0, 0);
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let end = start + line.len();
        let is_ignored = start < ignored_to || line.trim().is_empty();
        start = end;
        if is_ignored || line.trim_start().starts_with('#') {
            continue;
        }
        let split = split_key(line);
        let key = split.map_or("", |(key, _)| key);
        if ours.is_none_or(|ours| ours.contains(&key)) {
            let value = parse_value(split).and_then(|value| match value.contains(NOT_UTF_8) {
                true => Err("is not UTF-8"),
                false => Ok(value),
            });
            let value = value.map_err(|problem| {
                unusable(problem, "write KEY=VALUE").at(&format!("{file_name} line {number}"), None)
            });
            variables.push((key.to_owned(), value));
        } else if let Some((_, value)) = split.filter(|(_, value)| !value.is_empty()) {
            let value_start = end - value.len();
            ignored_to = value_start + quoted_length(&text[value_start..]);
        }
    }
    variables
}

/// Returns the length of a quoted value, which may have several lines; 0 where its quote is never
/// closed.
fn quoted_length(text: &str) -> usize {
    let Some(quote @ ('"' | '\'' | '`')) = text.chars().next() else { return 0 };
    let mut is_escaped = false;
    let closing = text.char_indices().skip(1).find(|(_, c)| {
        let is_closing = *c == quote && !is_escaped;
        is_escaped = *c == '\\' && quote == '"' && !is_escaped;
        is_closing
    });
    closing.map_or(0, |(at, _)| at)
}

/// Splits a line into its key and what stands after the sign.
fn split_key(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once('=')?;
    let key = key.trim();
    let key = match key.strip_prefix("export") {
        Some(exported) if exported.starts_with([' ', '\t']) => exported.trim_start(),
        _ => key,
    };
    Some((key, value.trim_start()))
}

fn parse_value(split: Option<(&str, &str)>) -> Result<String, &'static str> {
    let (key, value) = split.ok_or("has no '='")?;
    let name_char = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if key.is_empty()
        || !key.chars().all(name_char)
        || key.starts_with(|c: char| c.is_ascii_digit())
    {
        return Err("has an invalid variable name");
    }
    let value = value.trim_end();
    let (value, after) = match value.as_bytes().first() {
        Some(b'\'') => {
            let (value, after) = value[1..].split_once('\'').ok_or(NOT_CLOSED)?;
            (value.to_owned(), after)
        }
        Some(b'"') => double_quoted(&value[1..])?,
        _ => return Ok(unquoted(value).to_owned()),
    };
    match after.trim_start() {
        "" => Ok(value),
        after if after.starts_with('#') => Ok(value),
        _ => Err("has text after its closing quote"),
    }
}

fn unquoted(value: &str) -> &str {
    let comment = value
        .char_indices()
        .find(|(at, c)| *c == '#' && (*at == 0 || value[..*at].ends_with([' ', '\t'])));
    comment.map_or(value, |(at, _)| &value[..at]).trim_end()
}

/// Takes what follows an opening quote; returns the value and what follows the closing one.
fn double_quoted(text: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return Ok((value, chars.as_str())),
            '\\' if chars.as_str().starts_with(['"', '\\']) => value.extend(chars.next()),
            c => value.push(c),
        }
    }
    Err(NOT_CLOSED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::Random;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let variables = parse("vars", text, None);
        let shown: Vec<_> =
            variables.iter().map(|(k, v)| (k.as_str(), v.as_deref().unwrap())).collect();
        assert_eq!(shown, expected);
    }

    #[track_caller]
    fn check_bad(text: &str, number: usize, problem: &'static str) {
        let variables = parse("vars", text, None);
        let bad = variables.into_iter().find_map(|(_, value)| value.err()).unwrap();
        assert_eq!(bad.to_string(), format!("vars line {number}: {problem}; write KEY=VALUE"));
    }

    #[test]
    fn lines_are_read_as_a_shell_would() {
        check("", &[]);
        check("\u{feff}A=b\r\n\r\n # comment\n\tC = d \n", &[("A", "b"), ("C", "d")]);
        check("export A=b\nexport\tC=d", &[("A", "b"), ("C", "d")]);
        check("export=x\nexported=y", &[("export", "x"), ("exported", "y")]);
        check("A=b#c # d", &[("A", "b#c")]);
        check("A= # d\nB=", &[("A", ""), ("B", "")]);
        check("A=b=c $5 'x'", &[("A", "b=c $5 'x'")]);
        check(r#"A='b \" # c' # d"#, &[("A", r#"b \" # c"#)]);
        check(r#"A="b \" \\ \n # c" # d"#, &[("A", r#"b " \ \n # c"#)]);
        check("A=1\nA=2", &[("A", "1"), ("A", "2")]);
        check("A=1\rB=2\r\nC=3\r", &[("A", "1"), ("B", "2"), ("C", "3")]);
    }

    #[test]
    fn errors_name_the_line() {
        check_bad("A=b\n\nC", 3, "has no '='");
        check_bad("=b", 1, "has an invalid variable name");
        check_bad("A B=c", 1, "has an invalid variable name");
        check_bad("1A=c", 1, "has an invalid variable name");
        check_bad("A='b", 1, "has a quote that is not closed");
        check_bad("A=\"b\\\"", 1, "has a quote that is not closed");
        check_bad("A='b'c", 1, "has text after its closing quote");
        check_bad("A=\"b\" c", 1, "has text after its closing quote");
    }

    #[track_caller]
    fn check_some(text: &str, expected: &[(&str, &str)]) {
        let variables = parse("vars", text, Some(&["OURS", "URL"]));
        let shown = variables.iter().map(|(key, value)| match value {
            Ok(value) => (key.as_str(), value.clone()),
            Err(error) => (key.as_str(), format!("{} {}", error.subject, error.problem)),
        });
        let expected = expected.iter().map(|(key, value)| (*key, (*value).to_owned()));
        assert_eq!(shown.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{text}");
    }

    #[test]
    fn what_is_not_ours_is_ignored() {
        check_some("spring.profile=dev\nno sign\n=x\n1A='b\nexport OURS = a # b", &[("OURS", "a")]);
        check_some("A=\"b\nURL=no\n\\\"\nURL=no\" URL=no\nOURS=a", &[("OURS", "a")]);
        check_some("A='b\nURL=no\\'\nOURS=a\nB=`\nURL=no\n`", &[("OURS", "a")]);
        check_some("A=\"never closed\nOURS=a", &[("OURS", "a")]);
        check_some("A=it's\nOURS=a's\nB='b' 'c\nURL=d", &[("OURS", "a's"), ("URL", "d")]);
        check_some("#OURS=a\n # URL=b", &[]);
        check_some(
            "A='\n\n'\nOURS='a\nURL=b c",
            &[("OURS", "vars line 4 has a quote that is not closed"), ("URL", "b c")],
        );
        check_some("OURS=a\u{fffd}\nB=\u{fffd}", &[("OURS", "vars line 1 is not UTF-8")]);
        check_some("OURS=a # \u{fffd}", &[("OURS", "a")]);
        check_some("OURS=a\rURL=b\r\nOURS=c", &[("OURS", "a"), ("URL", "b"), ("OURS", "c")]);
    }

    #[test]
    fn generated_files_never_panic() {
        let mut random = Random::new(4);
        for _ in 0..100_000 {
            let text = random.text("AB1=_'\"\\# \n\r\té$export");
            let some = parse("vars", &text, Some(&["A", "B"]));
            assert!(some.iter().all(|(key, _)| key == "A" || key == "B"), "{text:?}");
            let all = parse("vars", &text, None);
            assert!(all.iter().all(|(key, value)| !key.is_empty() || value.is_err()), "{text:?}");
        }
    }
}
