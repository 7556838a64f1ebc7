//! Replaces secrets in URLs and in text from outside.
//!
//! Known secrets are always replaced; of a query only values that are known to be harmless are
//! shown.

use std::cmp::Reverse;
use std::fmt;
use std::ops::Range;

/// What replaces a secret.
pub const REDACTED: &str = "REDACTED";

/// Query parameters whose values are shown: they name a place, not a user.
const SHOWN_PARAMETERS: [&str; 5] = ["db", "rp", "precision", "tenant", "extra_label"];

/// Shorter secrets are replaced only as whole words: inside other words they are a coincidence.
const REPLACED_ANYWHERE_BYTES_MIN: usize = 8;
/// A text that ends with this much of a secret's beginning ends with a secret that was cut off.
const BEGINNING_BYTES_MIN: usize = 4;

/// The secrets of a request, in every form in which an answer may quote them; long ones first.
#[derive(Clone, Default)]
pub struct Secrets(Vec<String>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Secrets {
    /// Adds a secret, also as JSON and Go quote it.
    pub fn add(&mut self, secret: &str) {
        let quoted = secret.replace('\\', r"\\").replace('"', r#"\""#);
        let forms = [quoted, secret.to_owned()].into_iter().filter(|form| !form.is_empty());
        self.0.extend(forms);
        // A secret may contain another one.
        self.0.sort_unstable_by_key(|known| Reverse(known.len()));
        self.0.dedup();
    }

    /// Adds the value of a header, and the words of it, as in `Bearer TOKEN`.
    pub fn add_header(&mut self, value: &str) {
        self.add(value);
        let words = value.split([' ', ',', ';', '=']);
        words.filter(|word| is_long(word)).for_each(|word| self.add(word));
    }

    /// Adds the secrets of a URL: its password, and the parameters that look secret.
    pub fn add_url(&mut self, url: &str) {
        for (_, value) in secret_parameters(url) {
            self.add(value);
            self.add(&percent_decoded(value));
        }
        let user = user_info(url).map_or("", |user| &url[user]);
        if let Some((_, password)) = user.split_once(':') {
            self.add(user);
            self.add(password);
            self.add(&percent_decoded(password));
        }
    }

    /// Returns the text with each secret replaced, also one that is cut off at the end.
    pub fn hide(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            let found: Vec<usize> = text.match_indices(secret).map(|(at, _)| at).collect();
            for at in found.into_iter().rev() {
                let end = at + secret.len();
                let is_in_word = text[..at].ends_with(char::is_alphanumeric)
                    || text[end..].starts_with(char::is_alphanumeric);
                if is_long(secret) || !is_in_word {
                    text.replace_range(at..end, REDACTED);
                }
            }
            let is_at_end = |length: &usize| {
                secret.get(..*length).is_some_and(|beginning| text.ends_with(beginning))
            };
            let cut_off = (BEGINNING_BYTES_MIN..secret.len()).rev().find(is_at_end);
            if let Some(length) = cut_off.filter(|_| is_long(secret)) {
                text.truncate(text.len() - length);
                text.push_str(REDACTED);
            }
        }
        text
    }
}

fn is_long(secret: &str) -> bool {
    secret.len() >= REPLACED_ANYWHERE_BYTES_MIN
}

/// Returns the URL with user name, password, fragment and the values of its query replaced,
/// except for values that are known to be harmless.
pub fn redacted(url: &str) -> String {
    let (address, rest) = url.split_at(url.find(['?', '#']).unwrap_or(url.len()));
    let mut shown = address.to_owned();
    if let Some(user) = user_info(url) {
        shown.replace_range(user, REDACTED);
    }
    let (query, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    for part in query.split_inclusive(SEPARATORS) {
        let parameter = part.trim_end_matches(SEPARATORS);
        match parameter.split_once('=') {
            Some((name, value)) if !value.is_empty() && !SHOWN_PARAMETERS.contains(&name) => {
                shown.push_str(&format!("{name}={REDACTED}"));
            }
            None if !parameter.is_empty() => shown.push_str(REDACTED),
            _ => shown.push_str(parameter),
        }
        shown.push_str(&part[parameter.len()..]);
    }
    if !fragment.is_empty() {
        shown.push_str(&format!("#{REDACTED}"));
    }
    shown
}

/// What separates parameters; a second `?` too, to be on the safe side.
const SEPARATORS: [char; 3] = ['&', ';', '?'];

/// Returns names and values of the parameters that are credentials, by their names.
fn secret_parameters(url: &str) -> impl Iterator<Item = (&str, &str)> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let query = query.split('#').next().unwrap_or_default();
    let parameters = query.split(SEPARATORS).filter_map(|parameter| parameter.split_once('='));
    parameters.filter(|(name, _)| looks_secret(&percent_decoded(name)))
}

/// Returns whether a parameter of the URL's query is a credential, by its name.
pub fn has_secret_parameter(url: &str) -> bool {
    secret_parameters(url).any(|(_, value)| !value.is_empty())
}

/// Returns where user name and password are: before the last `@` of the authority.
/// Source: RFC 3986, section 3.2.
fn user_info(url: &str) -> Option<Range<usize>> {
    let head = url.split(['?', '#']).next().unwrap_or_default();
    let start = head.find("//").map_or(0, |at| at + 2);
    let authority = head[start..].split('/').next().unwrap_or_default();
    authority.rfind('@').map(|length| start..start + length)
}

/// Returns whether a header or query parameter of this name holds a secret.
pub fn looks_secret(name: &str) -> bool {
    const PARTS: &str = "key token secret passw passphrase passcode pwd cookie session signature \
                         credential bearer jwt authoriz authoris";
    const WORDS: [&str; 7] = ["pass", "p", "pw", "sig", "sid", "sas", "otp"];
    let name = name.to_ascii_lowercase();
    PARTS.split(' ').any(|part| name.contains(part))
        // "author" alone does not mean credentials.
        || name.replace("author", "").contains("auth")
        || name.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| WORDS.contains(&word))
}

/// Returns the text with each `%41` decoded.
fn percent_decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).filter(|digits| !digits.starts_with('+'));
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => bytes.extend([&[byte], &part.as_bytes()[2..]].concat()),
            None => bytes.extend([b"%", part.as_bytes()].concat()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::Random;

    #[track_caller]
    fn check(url: &str, expected: &str) {
        assert_eq!(redacted(url), expected);
    }

    #[test]
    fn of_a_query_only_harmless_values_are_shown() {
        check(
            "http://h/?db=m&rp=a&precision=ns&tenant=t",
            "http://h/?db=m&rp=a&precision=ns&tenant=t",
        );
        check("http://h/?extra_label=a=b", "http://h/?extra_label=a=b");
        for name in
            ["p", "sig", "pass", "X-Amz-Signature", "jwt", "api_KEY", "a", "%74oken", "%64b"]
        {
            check(
                &format!("http://h/?{name}=s=x&db=m"),
                &format!("http://h/?{name}=REDACTED&db=m"),
            );
        }
        check("http://h/?a=b;token=x", "http://h/?a=REDACTED;token=REDACTED");
        check("http://h/?db=b;token=x", "http://h/?db=b;token=REDACTED");
        check("http://h/?db=b?token=x", "http://h/?db=b?token=REDACTED");
        check("http://h/?s3cret", "http://h/?REDACTED");
        check("http://h/?token=&&", "http://h/?token=&&");
        check("http://h/token=x", "http://h/token=x");
        check("http://h", "http://h");
    }

    #[test]
    fn user_names_passwords_and_fragments_are_not_shown() {
        check("https://user:s3cret@h/x?y=z", "https://REDACTED@h/x?y=REDACTED");
        check("https://s3cret@h:9090/", "https://REDACTED@h:9090/");
        check("//user:s3cret@h/", "//REDACTED@h/");
        check("user:s3cret@h/", "REDACTED@h/");
        check("https://h/a@b", "https://h/a@b");
        check("https://[::1]:1/a@b", "https://[::1]:1/a@b");
        check("https://h/x#access_token=s3cret", "https://h/x#REDACTED");
        check("https://h/x#", "https://h/x");
    }

    #[test]
    fn names_of_secrets_are_told_from_others() {
        for name in [
            "X-Api-Key",
            "Api_TOKEN",
            "X-Pass",
            "X-Session",
            "Cookie",
            "X-Auth",
            "Proxy-Authorization",
            "sig",
            "X-Amz-Credential",
            "jwt",
            "p",
            "password",
            "X-Auth-Author",
            "oauth_nonce",
            "authenticate",
        ] {
            assert!(looks_secret(name), "{name}");
        }
        for name in
            ["X-Author", "X-Scope-OrgID", "X-Bypass", "db", "precision", "X-Compass", "X-Signal"]
        {
            assert!(!looks_secret(name), "{name}");
        }
        assert!(has_secret_parameter("http://h/?a=b&s%69g=x"));
        assert!(!has_secret_parameter("http://h/?a=b&sig="));
    }

    #[track_caller]
    fn check_hidden(secrets: &[&str], text: &str, expected: &str) {
        let mut known = Secrets::default();
        secrets.iter().for_each(|secret| known.add(secret));
        assert_eq!(known.hide(text), expected);
    }

    #[test]
    fn known_secrets_are_replaced_and_nothing_else_is() {
        check_hidden(
            &["s3cr3t-t0ken"],
            "invalid token 's3cr3t-t0ken' x",
            "invalid token 'REDACTED' x",
        );
        check_hidden(&["s3cr3t-t0ken"], "xs3cr3t-t0kens3cr3t-t0kenx", "xREDACTEDREDACTEDx");
        check_hidden(&["s3cr3t-t0ken"], "it is s3cr3t-", "it is REDACTED");
        check_hidden(&["s3cr3t-t0ken"], "s3cr3t- is cut off", "s3cr3t- is cut off");
        check_hidden(&["longer-s3cret", "longer-s3cret-2"], "a longer-s3cret-2", "a REDACTED");
        check_hidden(&["t"], "the t of 't' at t", "the REDACTED of 'REDACTED' at REDACTED");
        check_hidden(&["tt"], "ttt tttt", "ttt tttt");
        check_hidden(&["a\"b\\c-long"], r#"bad "a\"b\\c-long""#, r#"bad "REDACTED""#);
        check_hidden(&[""], "text", "text");
        let mut known = Secrets::default();
        known.add_url("http://user:p%40ssw0rd1@h/?sig=abcdefgh%2F&db=mydatabase");
        known.add_header("Bearer abc-def-ghi");
        let text = "p@ssw0rd1 user:p%40ssw0rd1 abcdefgh/ mydatabase abc-def-ghi";
        assert_eq!(known.hide(text), "REDACTED REDACTED REDACTED mydatabase REDACTED");
        assert_eq!(format!("{known:?}"), "***");
    }

    #[test]
    fn generated_texts_never_panic_and_never_show_a_secret() {
        let mut random = Random::new(5);
        for _ in 0..50_000 {
            let (secret, text) = (random.text("abé\"%4"), random.text("abé\"%4?&;=#/:@"));
            let mut known = Secrets::default();
            known.add(&secret);
            known.add_url(&text);
            let shown = known.hide(&(text.clone() + &secret));
            assert!(!is_long(&secret) || !shown.contains(&secret), "{secret:?} in {shown:?}");
            let _ = (redacted(&text), percent_decoded(&text));
            let url = format!("http://u:s3cret@h/?{text}");
            assert!(!redacted(&url).contains("s3cret"), "{url}");
        }
    }
}
