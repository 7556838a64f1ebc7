//! Reads JSON, strictly and by hand: what a log line has to be.
//!
//! Source: RFC 8259, but that no space stands between the tokens.

use std::iter::Peekable;
use std::str::Chars;

/// A JSON value; numbers as they are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Parses a whole text.
    pub(crate) fn parse(text: &str) -> Result<Json, String> {
        let mut chars = text.chars().peekable();
        let json = value(&mut chars)?;
        chars.next().map_or(Ok(json), |c| Err(format!("{c:?} after the value")))
    }

    /// Returns a member of an object.
    #[track_caller]
    pub(crate) fn get(&self, name: &str) -> &Json {
        self.find(name).unwrap_or_else(|| panic!("no {name:?} in {self:?}"))
    }

    /// Returns a member of an object, if it is there.
    pub(crate) fn find(&self, name: &str) -> Option<&Json> {
        let Json::Object(members) = self else { return None };
        members.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Returns a text.
    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        let Json::Text(text) = self else { panic!("{self:?} is not a text") };
        text
    }

    /// Returns a whole number.
    #[track_caller]
    pub(crate) fn number(&self) -> i64 {
        let Json::Number(text) = self else { panic!("{self:?} is not a number") };
        text.parse().unwrap_or_else(|_| panic!("{text} is not a whole number"))
    }

    /// Returns the members of an array.
    #[track_caller]
    pub(crate) fn array(&self) -> &[Json] {
        let Json::Array(members) = self else { panic!("{self:?} is not an array") };
        members
    }
}

type Input<'a> = Peekable<Chars<'a>>;

fn value(chars: &mut Input<'_>) -> Result<Json, String> {
    match chars.peek().copied() {
        Some('{') => Ok(Json::Object(list(chars, ['{', '}'], member)?)),
        Some('[') => Ok(Json::Array(list(chars, ['[', ']'], value)?)),
        Some('"') => Ok(Json::Text(string(chars)?)),
        Some('t') => word(chars, "true", Json::Bool(true)),
        Some('f') => word(chars, "false", Json::Bool(false)),
        Some('n') => word(chars, "null", Json::Null),
        _ => number(chars),
    }
}

/// Parses items between two brackets, with a comma after each but the last.
fn list<T>(
    chars: &mut Input<'_>,
    [open, close]: [char; 2],
    item: fn(&mut Input<'_>) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    expect(chars, open)?;
    let mut items = Vec::new();
    if chars.next_if_eq(&close).is_some() {
        return Ok(items);
    }
    loop {
        items.push(item(chars)?);
        if chars.next_if_eq(&',').is_none() {
            return expect(chars, close).map(|()| items);
        }
    }
}

fn member(chars: &mut Input<'_>) -> Result<(String, Json), String> {
    let name = string(chars)?;
    expect(chars, ':')?;
    Ok((name, value(chars)?))
}

fn word(chars: &mut Input<'_>, word: &str, json: Json) -> Result<Json, String> {
    word.chars().try_for_each(|c| expect(chars, c)).map(|()| json)
}

fn expect(chars: &mut Input<'_>, expected: char) -> Result<(), String> {
    match chars.next() {
        Some(c) if c == expected => Ok(()),
        other => Err(format!("{other:?} where {expected:?} has to be")),
    }
}

fn number(chars: &mut Input<'_>) -> Result<Json, String> {
    let mut text = String::new();
    while let Some(c) = chars.next_if(|c| c.is_ascii_digit() || "+-.eE".contains(*c)) {
        text.push(c);
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && !text.starts_with('+') => Ok(Json::Number(text)),
        _ => Err(format!("{text:?} is not a number, before {:?}", chars.peek())),
    }
}

fn string(chars: &mut Input<'_>) -> Result<String, String> {
    expect(chars, '"')?;
    let mut text = String::new();
    loop {
        match chars.next().ok_or("a text that does not end")? {
            '"' => return Ok(text),
            '\\' => text.push(match chars.next().ok_or("a text that does not end")? {
                c @ ('"' | '\\' | '/') => c,
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'b' => '\u{8}',
                'f' => '\u{c}',
                'u' => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let code = u32::from_str_radix(&digits, 16).map_err(|e| e.to_string())?;
                    char::from_u32(code).ok_or("half a surrogate pair")?
                }
                c => return Err(format!("an escape of {c:?}")),
            }),
            c if c < ' ' => return Err(format!("{c:?} in a text")),
            c => text.push(c),
        }
    }
}
