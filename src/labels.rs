//! Labels: what `--labels` says, checked and made into the label sets of series.
//!
//! A name that a receiver would refuse is changed into a valid one, with a warning. Ambiguous text
//! is an error. Nothing is printed here.

mod selector;

pub use selector::Selector;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::error::{BadInput, Escaped, unusable};

/// Longest label name and metric name, in bytes.
/// Source: Mimir's default limits, docs/protocol.md 3B.2.
const NAME_BYTES_MAX: usize = 1024;
/// Longest label value, in bytes. Source: as above.
const VALUE_BYTES_MAX: usize = 2048;
/// Most labels, `__name__` included, that receivers take by default. Source: as above.
const LABEL_COUNT_USUAL: usize = 30;
/// Most series of one command.
pub const SERIES_COUNT_MAX: usize = 10_000;

/// The labels of one series, `__name__` among them: sorted, unique, none of them empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LabelSet {
    pairs: Vec<Label>,
}

/// The label that holds a metric's name.
const NAME: &str = "__name__";

/// Name and value of a label. Label sets share what they have in common: of ten thousand, most.
pub type Label = (Arc<str>, Arc<str>);

impl LabelSet {
    /// Returns the set of these labels and the metric's name, which must be valid and unique.
    pub fn new(metric_name: &str, labels: Vec<(String, String)>) -> LabelSet {
        let labels = labels.into_iter().map(|(name, value)| (name.into(), value.into()));
        LabelSet::of(labels.chain([(NAME.into(), metric_name.into())]).collect())
    }

    fn of(mut pairs: Vec<Label>) -> LabelSet {
        pairs.sort_unstable();
        assert!(pairs.windows(2).all(|pair| pair[0].0 != pair[1].0), "label names are unique");
        assert!(pairs.iter().all(|(_, value)| !value.is_empty()), "no label is empty");
        LabelSet { pairs }
    }

    /// The metric's name.
    pub fn metric_name(&self) -> &str {
        let name = self.pairs.iter().find(|(name, _)| **name == *NAME);
        name.map_or("", |(_, value)| value)
    }

    /// The same labels for another metric.
    pub fn with_metric_name(&self, metric_name: &str) -> LabelSet {
        let mut pairs = self.pairs.clone();
        let names = pairs.iter_mut().filter(|(name, _)| **name == *NAME);
        names.for_each(|(_, value)| *value = metric_name.into());
        LabelSet { pairs }
    }

    /// Returns the pairs of name and value, sorted by name, `__name__` included.
    pub fn pairs(&self) -> &[Label] {
        &self.pairs
    }
}

/// Shows the labels without the metric's name, as in `{'cpu': 'lina_cp_avg', 'uuid': 'x'}`.
impl fmt::Display for LabelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels = self.pairs.iter().filter(|(name, _)| **name != *NAME);
        f.write_str("{")?;
        for (count, (name, value)) in labels.enumerate() {
            let comma = if count == 0 { "" } else { ", " };
            // In pieces, and copied only where it must be: each datapoint is shown with its labels.
            [comma, "'", name, "': '"].into_iter().try_for_each(|part| f.write_str(part))?;
            match value.contains(['\\', '\'']) {
                false => Escaped(value).fmt(f)?,
                true => Escaped(&value.replace('\\', "\\\\").replace('\'', "\\'")).fmt(f)?,
            }
            f.write_str("'")?;
        }
        f.write_str("}")
    }
}

/// Returns the metric name that a receiver takes, with a warning where it is another one.
///
/// # Errors
/// The name is empty or too long.
pub fn sanitise_metric_name(
    flag: &str,
    typed: &str,
    warnings: &mut Vec<String>,
) -> Result<String, BadInput> {
    let bad =
        |problem: String| unusable(problem, "give a name like cpu_usage").at(flag, Some(typed));
    if typed.is_empty() {
        return Err(bad("is empty".into()));
    }
    let name = sanitise(typed, |c| c == ':');
    if name.len() > NAME_BYTES_MAX {
        return Err(bad(format!("is longer than the {NAME_BYTES_MAX} bytes that Mimir takes")));
    }
    if name != typed {
        warn(warnings, format!("metric name '{}' is sent as '{name}'", Escaped(typed)));
    }
    Ok(name)
}

/// Parses one `--labels` text for each set, and fans `{1..500}` out; adds a warning for each name
/// or label that was changed.
///
/// # Errors
/// Names the pair that cannot be used, or two texts that give the same series.
pub fn parse(
    typed: &[&str],
    metric_name: &str,
    warnings: &mut Vec<String>,
) -> Result<Vec<LabelSet>, BadInput> {
    let mut label_sets = Vec::new();
    let mut origins: HashMap<LabelSet, &str> = HashMap::new();
    for text in typed {
        let template = Template::parse(text, warnings)?;
        if label_sets.len() + template.series_count() > SERIES_COUNT_MAX {
            let problem = format!("gives more than {SERIES_COUNT_MAX} series");
            let hint = "run several commands, each with a part";
            return Err(unusable(problem, hint).at("--labels", Some(text)));
        }
        for label_set in template.label_sets(metric_name) {
            // The sets of one text are all different.
            if typed.len() > 1
                && let Some(first) = origins.insert(label_set.clone(), text)
            {
                let first = Escaped(first);
                let problem = format!("gives series {label_set} again, after --labels '{first}'");
                let hint = "leave one of them out";
                return Err(unusable(problem, hint).at("--labels", Some(text)));
            }
            label_sets.push(label_set);
        }
    }
    Ok(label_sets)
}

fn warn(warnings: &mut Vec<String>, warning: String) {
    // Twenty sets with the same invalid name give one warning.
    if !warnings.contains(&warning) {
        warnings.push(warning);
    }
}

/// Makes a name of `[a-zA-Z0-9_]`, and of what else is allowed, that begins with no digit.
/// Source: Remote-Write 1.0, "Labels" (docs/protocol.md 1.11).
fn sanitise(typed: &str, allowed: impl Fn(char) -> bool) -> String {
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_' || allowed(c);
    let digit_first = typed.starts_with(|c: char| c.is_ascii_digit());
    let name = typed.chars().map(|c| if valid(c) { c } else { '_' });
    digit_first.then_some('_').into_iter().chain(name).collect()
}

/// One `--labels` text: its labels, and the one value that fans out.
#[derive(Debug)]
struct Template {
    labels: Vec<(String, String)>,
    /// Index into `labels`, and the range that takes the place of its value.
    fan_out: Option<(usize, Range)>,
}

impl Template {
    fn parse(text: &str, warnings: &mut Vec<String>) -> Result<Template, BadInput> {
        if text.trim().is_empty() {
            let hint = "give at least one, as in --labels cpu=lina_cp_avg,uuid=device-456";
            return Err(unusable("is empty", hint).at("--labels", Some(text)));
        }
        let mut template = Template { labels: Vec::new(), fan_out: None };
        let mut rest = Some(text);
        while let Some(text) = rest {
            let pair = Pair::split(text)?;
            template.add(&pair, warnings).map_err(|error| at_pair(error, pair.typed))?;
            rest = pair.rest;
        }
        for (name, _) in template.labels.iter().filter(|(_, value)| value.is_empty()) {
            warn(warnings, format!("label '{name}' has an empty value and is left out"));
        }
        let count = template.labels.iter().filter(|(_, value)| !value.is_empty()).count() + 1;
        if count > LABEL_COUNT_USUAL {
            let limit = format!("by default receivers take {LABEL_COUNT_USUAL}");
            warn(warnings, format!("{count} labels, the name included; {limit}"));
        }
        Ok(template)
    }

    fn add(&mut self, pair: &Pair<'_>, warnings: &mut Vec<String>) -> Result<(), BadInput> {
        if pair.name.is_empty() {
            return Err(unusable("has no name", "write name=value"));
        }
        let name = sanitise(pair.name, |_| false);
        if pair.name.starts_with("__") || name.starts_with("__") {
            let hint = "choose another; names that begin with __ are reserved for Prometheus";
            return Err(unusable(format!("names label '{name}'"), hint));
        }
        if self.labels.iter().any(|(other, _)| *other == name) {
            return Err(unusable(format!("gives label '{name}' again"), "leave one of them out"));
        }
        for (what, text, bytes_max) in
            [("name", pair.name, NAME_BYTES_MAX), ("value", &pair.value, VALUE_BYTES_MAX)]
        {
            if text.len() > bytes_max {
                let problem = format!("has a {what} longer than the {bytes_max} bytes Mimir takes");
                return Err(unusable(problem, "shorten it"));
            }
        }
        if name != pair.name {
            let typed = Escaped(pair.name);
            warn(warnings, format!("label name '{typed}' is sent as '{name}'"));
        }
        if !pair.quoted
            && let Some(range) = Range::find(&pair.value)?
            && self.fan_out.replace((self.labels.len(), range)).is_some()
        {
            let hint = "use one range in each --labels, or quote the other value";
            return Err(unusable("is a second range", hint));
        }
        self.labels.push((name, pair.value.clone()));
        Ok(())
    }

    fn series_count(&self) -> usize {
        let last_k = self.fan_out.as_ref().map_or(0, |(_, range)| range.last - range.first);
        (last_k as usize).saturating_add(1)
    }

    fn label_sets(self, metric_name: &str) -> impl Iterator<Item = LabelSet> {
        let shared =
            |(name, value): &(String, String)| (name.as_str().into(), value.as_str().into());
        let name = (NAME.into(), metric_name.into());
        let template: Vec<Label> = self.labels.iter().map(shared).chain([name]).collect();
        (0..self.series_count()).map(move |k| {
            let mut pairs = template.clone();
            if let Some((index, range)) = &self.fan_out {
                pairs[*index].1 = range.value(k).into();
            }
            pairs.retain(|(_, value)| !value.is_empty());
            LabelSet::of(pairs)
        })
    }
}

/// One `name=value` of a `--labels` text.
struct Pair<'a> {
    typed: &'a str,
    name: &'a str,
    value: String,
    quoted: bool,
    /// What follows the comma, if there is one.
    rest: Option<&'a str>,
}

impl<'a> Pair<'a> {
    /// Splits the first pair off. Spaces around names and unquoted values do not count.
    fn split(text: &'a str) -> Result<Pair<'a>, BadInput> {
        let plain = text.split(',').next().expect("split gives at least one part");
        let Some((name, value)) = plain.split_once('=') else {
            let error = unusable("has no '='", "write name=value,name=value");
            return Err(at_pair(error, plain.trim()));
        };
        let name = name.trim();
        if !value.trim_start().starts_with('"') {
            let (value, rest) = (value.trim().to_owned(), text.get(plain.len() + 1..));
            return Ok(Pair { typed: plain.trim(), name, value, quoted: false, rest });
        }
        let (_, quoted) = text.split_once('"').expect("the value starts with a quote");
        let (value, after) = unquote(quoted).map_err(|error| at_pair(error, text.trim()))?;
        let typed = text[..text.len() - after.len()].trim();
        let after = after.trim_start();
        let rest = after.strip_prefix(',');
        if rest.is_none() && !after.is_empty() {
            let error = unusable("has text after its closing quote", "put a comma there");
            return Err(at_pair(error, typed));
        }
        Ok(Pair { typed, name, value, quoted: true, rest })
    }
}

fn at_pair(error: BadInput, typed: &str) -> BadInput {
    error.at("--labels pair", Some(typed))
}

/// Takes what follows an opening quote; returns the value and what follows the closing one.
fn unquote(text: &str) -> Result<(String, &str), BadInput> {
    let mut value = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return Ok((value, chars.as_str())),
            '\\' => match chars.next() {
                Some(escaped @ ('"' | '\\')) => value.push(escaped),
                Some(_) => return Err(unusable("has an unknown escape", "write \\\" or \\\\")),
                None => break,
            },
            c => value.push(c),
        }
    }
    Err(unusable("has a quote that is not closed", "add the closing \""))
}

/// A value that holds `{first..last}`.
#[derive(Debug)]
struct Range {
    before: String,
    first: u32,
    last: u32,
    /// Numbers are filled up with zeros to this many digits; 0 for none.
    width: usize,
    after: String,
}

impl Range {
    /// Finds the one range of a value; other braces stand for themselves.
    fn find(value: &str) -> Result<Option<Range>, BadInput> {
        let mut found = None;
        for (open, _) in value.match_indices('{') {
            let Some((first, last, after)) = range_at(&value[open + 1..]) else { continue };
            let padded = [first, last].iter().any(|n| n.len() > 1 && n.starts_with('0'));
            let width = if padded { first.len().max(last.len()) } else { 0 };
            let [Ok(first), Ok(last)] = [first, last].map(str::parse::<u32>) else {
                let hint = "stay below 4294967296";
                return Err(unusable("has a number that is too big for a range", hint));
            };
            if first > last {
                let hint = "put the smaller number first";
                return Err(unusable("has a range that counts down", hint));
            }
            let (before, after) = (value[..open].to_string(), after.to_string());
            if found.replace(Range { before, first, last, width, after }).is_some() {
                return Err(unusable("has two ranges", "use one range in each --labels"));
            }
        }
        Ok(found)
    }

    /// Returns whether it is the value of one of the series.
    fn contains(&self, value: &str) -> bool {
        let number = value.strip_prefix(&*self.before).and_then(|v| v.strip_suffix(&*self.after));
        let k = number.and_then(|number| number.parse::<u32>().ok()?.checked_sub(self.first));
        k.is_some_and(|k| k <= self.last - self.first && self.value(k as usize) == value)
    }

    /// Returns the value of the k-th series.
    fn value(&self, k: usize) -> String {
        let number = u64::from(self.first) + k as u64;
        format!("{}{number:0width$}{}", self.before, self.after, width = self.width)
    }
}

/// Takes what follows a `{`; returns both numbers and what follows the `}`.
fn range_at(text: &str) -> Option<(&str, &str, &str)> {
    let (inside, after) = text.split_once('}')?;
    let (first, last) = inside.split_once("..")?;
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (number(first) && number(last)).then_some((first, last, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(typed: &[&str]) -> Result<Vec<LabelSet>, BadInput> {
        parse(typed, "cpu", &mut Vec::new())
    }

    /// Parses one set each; shows the sets and the warnings, or the error.
    fn shown(typed: &[&str]) -> String {
        let mut warnings = Vec::new();
        match parse(typed, "cpu", &mut warnings) {
            Ok(label_sets) => {
                let sets = label_sets.iter().map(LabelSet::to_string);
                sets.chain(warnings).collect::<Vec<_>>().join("\n")
            }
            Err(error) => error.to_string(),
        }
    }

    #[track_caller]
    fn check(typed: &str, expected: &str) {
        assert_eq!(shown(&[typed]), expected);
    }

    #[test]
    fn pairs_are_sorted_and_hold_the_name() {
        let label_sets = parsed(&["uuid=x,B=1,a=2"]).unwrap();
        let pairs: Vec<_> = label_sets[0].pairs().iter().map(|(n, v)| format!("{n}={v}")).collect();
        assert_eq!(pairs, ["B=1", "__name__=cpu", "a=2", "uuid=x"]);
    }

    #[test]
    fn values_are_plain_or_quoted() {
        check("cpu=lina_cp_avg,uuid=x", "{'cpu': 'lina_cp_avg', 'uuid': 'x'}");
        check("a=b=c", "{'a': 'b=c'}");
        check(" a = b , c = \" d \" ", "{'a': 'b', 'c': ' d '}");
        check(r#"a="x, \"y\" \\ z",b=1"#, r#"{'a': 'x, "y" \\ z', 'b': '1'}"#);
        check(r#"a=it's,b=50% $5 "x""#, r#"{'a': 'it\'s', 'b': '50% $5 "x"'}"#);
        check("a=line\nend", r"{'a': 'line\nend'}");
        check("a=✓ {b}", "{'a': '✓ {b}'}");
    }

    #[test]
    fn what_is_changed_is_warned_of() {
        check("123=x", "{'_123': 'x'}\nlabel name '123' is sent as '_123'");
        check("a.b-é=x", "{'a_b__': 'x'}\nlabel name 'a.b-é' is sent as 'a_b__'");
        check("a:b=x", "{'a_b': 'x'}\nlabel name 'a:b' is sent as 'a_b'");
        check("a=,b=1", "{'b': '1'}\nlabel 'a' has an empty value and is left out");
        check("a=\"\"", "{}\nlabel 'a' has an empty value and is left out");
        let warned = shown(&["a.b=1", "a.b=2"]);
        assert_eq!(warned, "{'a_b': '1'}\n{'a_b': '2'}\nlabel name 'a.b' is sent as 'a_b'");
        let many: Vec<String> = (0..30).map(|k| format!("l{k}=x")).collect();
        let shown = shown(&[&many.join(",")]);
        assert!(shown.ends_with("\n31 labels, the name included; by default receivers take 30"));
        check(&many[..29].join(","), &shown_of(&many[..29]));
    }

    fn shown_of(pairs: &[String]) -> String {
        let mut pairs: Vec<_> =
            pairs.iter().map(|p| p.replace("=x", "': 'x'")).map(|p| format!("'{p}")).collect();
        pairs.sort();
        format!("{{{}}}", pairs.join(", "))
    }

    #[test]
    fn errors_name_the_pair() {
        check(
            "",
            "--labels '': is empty; \
             give at least one, as in --labels cpu=lina_cp_avg,uuid=device-456",
        );
        let no_equals = "--labels pair 'b': has no '='; write name=value,name=value";
        check("a=1,b", no_equals);
        check("b, a=1", no_equals);
        check("a=1,", "--labels pair '': has no '='; write name=value,name=value");
        check("=1", "--labels pair '=1': has no name; write name=value");
        check(
            "a.b=1,a-b=2",
            "--labels pair 'a-b=2': gives label 'a_b' again; leave one of them out",
        );
        let reserved = "choose another; names that begin with __ are reserved for Prometheus";
        check(
            "__name__=x",
            &format!("--labels pair '__name__=x': names label '__name__'; {reserved}"),
        );
        check("-_x=1", &format!("--labels pair '-_x=1': names label '__x'; {reserved}"));
        let open = "has a quote that is not closed; add the closing \"";
        check("a=1,b=\"x,c=2", &format!("--labels pair 'b=\"x,c=2': {open}"));
        check("b=\"x\\", &format!("--labels pair 'b=\"x\\': {open}"));
        check(
            r#"b="x"y,c=2"#,
            "--labels pair 'b=\"x\"': has text after its closing quote; put a comma there",
        );
        check(r#"b="\n""#, r#"--labels pair 'b="\n"': has an unknown escape; write \" or \\"#);
    }

    #[test]
    fn lengths_are_bounded() {
        let (name, value) = ("n".repeat(1024), "v".repeat(2048));
        assert_eq!(parsed(&[&format!("{name}={value}")]).unwrap().len(), 1);
        let problem = |text: &str| parsed(&[text]).unwrap_err().problem;
        let long_name = problem(&format!("{name}n=x"));
        assert_eq!(long_name, "has a name longer than the 1024 bytes Mimir takes");
        let long_value = problem(&format!("a={value}v"));
        assert_eq!(long_value, "has a value longer than the 2048 bytes Mimir takes");
    }

    #[test]
    fn a_range_fans_out() {
        check(
            "a=x-{9..11}/y,b=1",
            "{'a': 'x-9/y', 'b': '1'}\n{'a': 'x-10/y', 'b': '1'}\n{'a': 'x-11/y', 'b': '1'}",
        );
        check("a={08..10}", "{'a': '08'}\n{'a': '09'}\n{'a': '10'}");
        check("a={0..1}", "{'a': '0'}\n{'a': '1'}");
        check("a={7..7}", "{'a': '7'}");
        check("a=\"{1..2}\"", "{'a': '{1..2}'}");
        check(
            "a={1..},b={..2},c={a..b},d=}{",
            "{'a': '{1..}', 'b': '{..2}', 'c': '{a..b}', 'd': '}{'}",
        );
        check(
            "a={2..1}",
            "--labels pair 'a={2..1}': has a range that counts down; \
             put the smaller number first",
        );
        check(
            "a={1..2}{1..2}",
            "--labels pair 'a={1..2}{1..2}': has two ranges; use one range in each --labels",
        );
        check(
            "a={1..2},b={1..2}",
            "--labels pair 'b={1..2}': is a second range; \
             use one range in each --labels, or quote the other value",
        );
        check(
            "a={1..9999999999}",
            "--labels pair 'a={1..9999999999}': has a number that is too big for a range; \
             stay below 4294967296",
        );
        check(
            "a={0..4294967295}",
            "--labels 'a={0..4294967295}': gives more than 10000 series; \
             run several commands, each with a part",
        );
        assert_eq!(parsed(&["a={1..9999}", "b=1"]).unwrap().len(), 10_000);
        assert!(parsed(&["a={1..9999}", "b={1..2}"]).is_err());
    }

    #[test]
    fn the_same_series_twice_names_both() {
        assert_eq!(
            shown(&["a=1,b=2", "b=2,a=1"]),
            "--labels 'b=2,a=1': gives series {'a': '1', 'b': '2'} again, after --labels \
             'a=1,b=2'; leave one of them out"
        );
        assert_eq!(
            shown(&["a={1..3}", "a=2"]),
            "--labels 'a=2': gives series {'a': '2'} again, after --labels 'a={1..3}'; \
             leave one of them out"
        );
    }

    #[test]
    fn metric_names_are_sanitised() {
        #[track_caller]
        fn check(typed: &str, expected: &str) {
            let mut warnings = Vec::new();
            let shown = match sanitise_metric_name("--metric-name", typed, &mut warnings) {
                Ok(name) => std::iter::once(name).chain(warnings).collect::<Vec<_>>().join("\n"),
                Err(error) => error.to_string(),
            };
            assert_eq!(shown, expected);
        }
        check("a:cpu_1", "a:cpu_1");
        check("9cpu.usage", "_9cpu_usage\nmetric name '9cpu.usage' is sent as '_9cpu_usage'");
        check("", "--metric-name '': is empty; give a name like cpu_usage");
    }

    #[test]
    fn generated_labels_never_panic_and_are_always_valid() {
        let mut random = crate::generated::Random::new(1);
        for _ in 0..100_000 {
            let text = random.text("ab_:=,\"\\{}. 01é\n__");
            for label_set in parsed(&[&text]).into_iter().flatten() {
                for (name, value) in label_set.pairs() {
                    assert!(!value.is_empty() && *sanitise(name, |_| false) == **name, "{text}");
                }
            }
        }
    }
}
