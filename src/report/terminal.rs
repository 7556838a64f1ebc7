//! What the terminal can do: its width, its characters, its colours.

use std::env;
use std::fs::File;
use std::io::IsTerminal;
use std::process::Command;

/// Maximum width: longer lines cannot be read.
const COLUMNS_MAX: usize = 1000;

/// Returns the width of the terminal, if it is known: COLUMNS, or `stty size`.
pub fn columns() -> Option<usize> {
    let width = |text: String| text.trim().parse().ok().filter(|columns: &usize| *columns > 0);
    let columns = env::var("COLUMNS").ok().and_then(width).or_else(|| width(stty_columns()?))?;
    Some(columns.min(COLUMNS_MAX))
}

/// Runs stty, because an ioctl needs a crate or unsafe code.
fn stty_columns() -> Option<String> {
    let terminal = File::open("/dev/tty").ok()?;
    let output = Command::new("stty").arg("size").stdin(terminal).output().ok()?;
    let rows_and_columns = String::from_utf8(output.stdout).ok()?;
    rows_and_columns.split_whitespace().nth(1).map(str::to_owned)
}

/// Tells whether a line of the terminal can be erased.
pub fn can_erase() -> bool {
    env::var("TERM").is_ok_and(|term| !term.is_empty() && term != "dumb")
}

/// Tells whether output to `out` has colours.
/// Source: no-color.org.
pub(super) fn shows_colour(out: &impl IsTerminal) -> bool {
    out.is_terminal() && can_erase() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Tells whether braille patterns can be shown: the locale is UTF-8, and the terminal is not the
/// kernel's console, whose font has none.
pub fn shows_braille() -> bool {
    is_braille_shown(|name| env::var(name).ok())
}

fn is_braille_shown(variable: impl Fn(&str) -> Option<String>) -> bool {
    // Source: POSIX, "Environment Variables", section 8.2: the first that is set and not empty.
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| variable(name).filter(|value| !value.is_empty()))
        .unwrap_or_default()
        .to_ascii_lowercase();
    let is_utf8 = locale.contains("utf-8") || locale.contains("utf8");
    is_utf8 && variable("TERM").is_none_or(|term| term != "linux")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(variables: &[(&str, &str)], expected: bool) {
        let variable = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        assert_eq!(is_braille_shown(variable), expected, "{variables:?}");
    }

    #[test]
    fn the_first_locale_variable_that_is_set_decides() {
        check(&[], false);
        check(&[("LANG", "en_US.UTF-8")], true);
        check(&[("LANG", "C.utf8")], true);
        check(&[("LANG", "en_US.UTF-8"), ("LC_ALL", "C")], false);
        check(&[("LANG", "C"), ("LC_CTYPE", "C.UTF-8"), ("LC_ALL", "")], true);
        check(&[("LANG", "de_DE.ISO-8859-1")], false);
    }

    #[test]
    fn the_console_of_the_kernel_has_no_braille() {
        check(&[("LANG", "C.UTF-8"), ("TERM", "linux")], false);
        check(&[("LANG", "C.UTF-8"), ("TERM", "dumb")], true);
    }
}
