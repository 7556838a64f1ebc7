//! The text of a `.env` file, line by line. Errors name the line and never show its value.

/// A line that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadLine {
    /// The line, from 1.
    pub(super) number: usize,
    /// What is wrong with it.
    pub(super) problem: &'static str,
}

/// Parses `KEY=VALUE` lines, with `export`, quotes and comments; a `$` stands for itself.
///
/// In "double quotes" `\"` and `\\` are escapes, in 'single quotes' and without quotes nothing is.
/// Without quotes a comment starts at a `#` behind a space.
pub(super) fn parse(text: &str) -> Result<Vec<(String, String)>, BadLine> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
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

fn parse_line(line: &str) -> Result<(String, String), &'static str> {
    let (key, value) = line.split_once('=').ok_or("has no '='")?;
    let key = key.trim_end();
    let key = match key.strip_prefix("export") {
        Some(exported) if exported.starts_with([' ', '\t']) => exported.trim_start(),
        _ => key,
    };
    let name_char = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if key.is_empty()
        || !key.chars().all(name_char)
        || key.starts_with(|c: char| c.is_ascii_digit())
    {
        return Err("has a name that is no variable's");
    }
    let value = value.trim_start();
    let (value, behind) = match value.as_bytes().first() {
        Some(b'\'') => value[1..].split_once('\'').ok_or("has a quote that is not closed")?,
        Some(b'"') => return Ok((key.into(), double_quoted(&value[1..])?)),
        _ => return Ok((key.into(), unquoted(value).into())),
    };
    check_behind_quote(behind)?;
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
                check_behind_quote(chars.as_str())?;
                return Ok(value);
            }
            '\\' if chars.as_str().starts_with(['"', '\\']) => value.extend(chars.next()),
            c => value.push(c),
        }
    }
    Err("has a quote that is not closed")
}

fn check_behind_quote(behind: &str) -> Result<(), &'static str> {
    let behind = behind.trim_start();
    if behind.is_empty() || behind.starts_with('#') {
        Ok(())
    } else {
        Err("has text behind its closing quote")
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
    }

    #[test]
    fn errors_name_the_line() {
        check_bad("A=b\n\nC", 3, "has no '='");
        check_bad("=b", 1, "has a name that is no variable's");
        check_bad("A B=c", 1, "has a name that is no variable's");
        check_bad("1A=c", 1, "has a name that is no variable's");
        check_bad("A='b", 1, "has a quote that is not closed");
        check_bad("A=\"b\\\"", 1, "has a quote that is not closed");
        check_bad("A='b'c", 1, "has text behind its closing quote");
        check_bad("A=\"b\" c", 1, "has text behind its closing quote");
    }

    #[test]
    fn generated_files_never_panic() {
        let mut random = Random::new(4);
        for _ in 0..100_000 {
            let text = random.text("AB1=_'\"\\# \n\r\té$export");
            if let Ok(variables) = parse(&text) {
                assert!(variables.iter().all(|(key, _)| !key.is_empty()), "{text:?}");
            }
        }
    }
}
