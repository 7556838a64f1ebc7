//! A `.env` file: never a panic, every name that of a variable, every error with a line that is
//! there.

#![no_main]

use libfuzzer_sys::fuzz_target;

// Private to the crate and with nothing around it that is needed, so the file itself is taken.
#[path = "../../src/cli/env/dotenv.rs"]
mod dotenv;

fuzz_target!(|text: &str| {
    let line_count = text.split(['\r', '\n']).count();
    for (name, value) in dotenv::parse(text, None) {
        match value {
            Ok(value) => {
                assert!(!name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()));
                assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{name}");
                assert!(!value.contains(['\n', '\r']));
            }
            Err(bad) => {
                assert!((1..=line_count).contains(&bad.number));
                assert!(!bad.problem.is_empty());
            }
        }
    }
    for (name, value) in dotenv::parse(text, Some(&["ENV", "A"])) {
        assert!(name == "ENV" || name == "A");
        match value {
            Ok(value) => assert!(!value.contains(['\n', '\r'])),
            Err(bad) => assert!((1..=line_count).contains(&bad.number)),
        }
    }
});
