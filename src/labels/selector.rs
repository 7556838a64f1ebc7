//! Which series something is for: label pairs, by the rules of `--labels`.

use super::{LabelSet, Template};
use crate::error::{BadInput, unusable};

/// Labels that a series must have, all of them.
#[derive(Debug)]
pub struct Selector(Template);

impl Selector {
    /// Parses `LABEL=VALUE,...`. Names are sanitised as those of `--labels` are; `{001..050}`
    /// means any of these.
    ///
    /// # Errors
    /// As for `--labels`; and for an empty value, which would select every series. The error's
    /// subject is the flag's, followed by "label".
    pub fn parse(flag: &str, text: &str, warnings: &mut Vec<String>) -> Result<Selector, BadInput> {
        let bad = |error: BadInput| BadInput { subject: format!("{flag} label"), ..error };
        let template = Template::parse(text, warnings).map_err(bad)?;
        if let Some((name, _)) = template.labels.iter().find(|(_, value)| value.is_empty()) {
            let error = unusable("has no value", "write name=value");
            return Err(bad(error.at("", Some(name))));
        }
        Ok(Selector(template))
    }

    /// Returns whether these are the labels of a series that is meant.
    pub fn matches(&self, labels: &LabelSet) -> bool {
        (0..self.0.labels.len()).all(|index| self.matches_pair(index, labels))
    }

    /// Returns the first pair that no series has, as in `uuid=device-003`.
    pub fn unknown_pair(&self, label_sets: &[LabelSet]) -> Option<String> {
        let is_unknown =
            |index: &usize| !label_sets.iter().any(|labels| self.matches_pair(*index, labels));
        let (name, value) = &self.0.labels[(0..self.0.labels.len()).find(is_unknown)?];
        Some(format!("{name}={value}"))
    }

    fn matches_pair(&self, index: usize, labels: &LabelSet) -> bool {
        let (name, wanted) = &self.0.labels[index];
        let pairs = labels.pairs();
        let Ok(place) = pairs.binary_search_by_key(&&**name, |(name, _)| name) else {
            return false;
        };
        let value = &pairs[place].1;
        match &self.0.fan_out {
            Some((fanned_out, range)) if *fanned_out == index => range.contains(value),
            _ => **value == **wanted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels;

    /// Shows which of these series are selected, by their number, or the error.
    #[track_caller]
    fn check(typed: &str, expected: &str) {
        let sets = ["host=web-{8..11},env=ci", "host=web-{008..011}", "host=\"a,b\",1x=y"];
        let sets = labels::parse(&sets, "cpu", &mut Vec::new()).unwrap();
        let shown = match Selector::parse("--flag", typed, &mut Vec::new()) {
            Ok(selector) => {
                let is_selected = |k: &usize| selector.matches(&sets[*k]);
                let numbers: Vec<String> =
                    (0..sets.len()).filter(is_selected).map(|k| k.to_string()).collect();
                let unknown = selector.unknown_pair(&sets).map(|pair| format!("no {pair}"));
                numbers.into_iter().chain(unknown).collect::<Vec<_>>().join(" ")
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_series_has_every_label_that_is_given() {
        check("host=web-8", "0");
        check("env=ci", "0 1 2 3");
        check("env=ci, host=web-9", "1");
        check("host=\"a,b\"", "8");
        check("1x=y", "8");
        check("host=web-008,env=ci", "");
        check("host=web,env=ci", "no host=web");
        check("zone=a", "no zone=a");
    }

    #[test]
    fn a_range_means_any_of_these() {
        check("host=web-{1..9}", "0 1");
        check("host=web-{001..009}", "4 5");
        check("host=web-{10..4294967295},env=ci", "2 3");
        check("host=\"web-{1..9}\"", "no host=web-{1..9}");
        check("host=web-{1..7}", "no host=web-{1..7}");
    }

    #[test]
    fn what_is_no_pair_is_refused() {
        let error = "--flag label 'host': has no '='; write name=value,name=value";
        check("host", error);
        check("host=", "--flag label 'host': has no value; write name=value");
        check(
            "__name__=cpu",
            "--flag label '__name__=cpu': names label '__name__'; \
             choose another; names that begin with __ are reserved for Prometheus",
        );
    }
}
