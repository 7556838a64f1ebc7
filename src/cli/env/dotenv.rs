//! The text of a `.env` file, line by line. Errors name the line and never show its value.
//!
//! A file that was asked for is read strictly. One that was only found is for many programs: what
//! is not ours in it is passed over, whatever it looks like.

/// A line that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadLine {
    /// The line, from 1.
    pub(super) number: usize,
    /// What is wrong with it.
    pub(super) problem: &'static str,
}

/// Parses `KEY=VALUE` lines, with `export`, quotes and comments; a `$` stands for itself.
///
/// In "double quotes" `\"` and `\\` are escapes, in 'single quotes' and without quotes nothing is.
/// Without quotes a comment starts at a `#` after a space.
pub(super) fn parse(text: &str) -> Result<Vec<(String, String)>, BadLine> {
    let text = plain(text);
    let mut variables = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let variable = parse_line(line);
        variables.push(variable.map_err(|problem| BadLine { number: index + 1, problem })?);
    }
    Ok(variables)
}

/// Parses the lines of the variables that are `ours`; each may be bad by itself.
pub(super) fn parse_some(text: &str, ours: &[&str]) -> Vec<(String, Result<String, BadLine>)> {
    let text = plain(text);
    let mut variables = Vec::new();
    let (mut rest, mut number) = (text.as_str(), 0);
    while !rest.is_empty() {
        number += 1;
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let start = rest;
        rest = after;
        match split_key(line).filter(|_| !line.trim_start().starts_with('#')) {
            None => {}
            Some((key, _)) if ours.contains(&key) => {
                let value = parse_line(line.trim()).map(|(_, value)| value);
                // What was no UTF-8 has this character in its place.
                let value = value.and_then(|value| match value.contains('\u{fffd}') {
                    true => Err("is not UTF-8"),
                    false => Ok(value),
                });
                variables.push((key.into(), value.map_err(|problem| BadLine { number, problem })));
            }
            Some((_, value)) => {
                let quoted = &start[line.len() - value.len()..];
                let more = quoted_line_count(quoted);
                for _ in 0..more {
                    rest = rest.split_once('\n').map_or("", |(_, after)| after);
                }
                number += more;
            }
        }
    }
    variables
}

/// Returns how many more lines a quoted value goes on for; none where its quote is never closed.
fn quoted_line_count(value: &str) -> usize {
    let Some(quote @ ('"' | '\'' | '`')) = value.chars().next() else { return 0 };
    let (mut line_count, mut is_escaped) = (0, false);
    for c in value[1..].chars() {
        match c {
            _ if is_escaped => is_escaped = false,
            c if c == quote => return line_count,
            '\\' => is_escaped = quote == '"',
            _ => {}
        }
        line_count += usize::from(c == '\n');
    }
    0
}

/// Returns the text without a byte order mark and with one kind of line end: a CR alone would
/// put a line's value into that of the line before.
fn plain(text: &str) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.replace("\r\n", "\n").replace('\r', "\n")
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

fn parse_line(line: &str) -> Result<(String, String), &'static str> {
    let (key, value) = split_key(line).ok_or("has no '='")?;
    let name_char = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if key.is_empty()
        || !key.chars().all(name_char)
        || key.starts_with(|c: char| c.is_ascii_digit())
    {
        return Err("has an invalid variable name");
    }
    let (value, after) = match value.as_bytes().first() {
        Some(b'\'') => value[1..].split_once('\'').ok_or("has a quote that is not closed")?,
        Some(b'"') => return Ok((key.into(), double_quoted(&value[1..])?)),
        _ => return Ok((key.into(), unquoted(value).into())),
    };
    check_after_quote(after)?;
    Ok((key.into(), value.into()))
}

fn unquoted(value: &str) -> &str {
    let comment = value
        .char_indices()
        .find(|(at, c)| *c == '#' && (*at == 0 || value[..*at].ends_with([' ', '\t'])));
    comment.map_or(value, |(at, _)| &value[..at]).trim_end()
}

fn double_quoted(text: &str) -> Result<String, &'static str> {
    let mut value = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                check_after_quote(chars.as_str())?;
                return Ok(value);
            }
            '\\' if chars.as_str().starts_with(['"', '\\']) => value.extend(chars.next()),
            c => value.push(c),
        }
    }
    Err("has a quote that is not closed")
}

fn check_after_quote(after: &str) -> Result<(), &'static str> {
    let after = after.trim_start();
    if after.is_empty() || after.starts_with('#') {
        Ok(())
    } else {
        Err("has text after its closing quote")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::Random;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let variables = parse(text).unwrap();
        let shown: Vec<_> = variables.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(shown, expected);
    }

    #[track_caller]
    fn check_bad(text: &str, number: usize, problem: &'static str) {
        assert_eq!(parse(text), Err(BadLine { number, problem }));
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
        let variables = parse_some(text, &["OURS", "URL"]);
        let shown = variables.iter().map(|(key, value)| match value {
            Ok(value) => (key.as_str(), value.clone()),
            Err(BadLine { number, problem }) => (key.as_str(), format!("line {number} {problem}")),
        });
        let expected = expected.iter().map(|(key, value)| (*key, (*value).to_owned()));
        assert_eq!(shown.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{text}");
    }

    #[test]
    fn what_is_not_ours_is_passed_over() {
        check_some("spring.profile=dev\nno sign\n=x\n1A='b\nexport OURS = a # b", &[("OURS", "a")]);
        check_some("A=\"b\nURL=no\n\\\"\nURL=no\" URL=no\nOURS=a", &[("OURS", "a")]);
        check_some("A='b\nURL=no\\'\nOURS=a\nB=`\nURL=no\n`", &[("OURS", "a")]);
        check_some("A=\"never closed\nOURS=a", &[("OURS", "a")]);
        check_some("A=it's\nOURS=a's\nB='b' 'c\nURL=d", &[("OURS", "a's"), ("URL", "d")]);
        check_some("#OURS=a\n # URL=b", &[]);
        check_some(
            "A='\n\n'\nOURS='a\nURL=b c",
            &[("OURS", "line 4 has a quote that is not closed"), ("URL", "b c")],
        );
        check_some("OURS=a\u{fffd}\nB=\u{fffd}", &[("OURS", "line 1 is not UTF-8")]);
        check_some("OURS=a\rURL=b\r\nOURS=c", &[("OURS", "a"), ("URL", "b"), ("OURS", "c")]);
    }

    #[test]
    fn generated_files_never_panic() {
        let mut random = Random::new(4);
        for _ in 0..100_000 {
            let text = random.text("AB1=_'\"\\# \n\r\té$export");
            let some = parse_some(&text, &["A", "B"]);
            assert!(some.iter().all(|(key, _)| key == "A" || key == "B"), "{text:?}");
            if let Ok(variables) = parse(&text) {
                assert!(variables.iter().all(|(key, _)| !key.is_empty()), "{text:?}");
            }
        }
    }
}
