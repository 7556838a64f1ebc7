//! The README and the guide as a newcomer takes them: every command, pasted in order into one
//! shell, in an empty folder, into a Prometheus that the README itself starts.

use crate::support::cmd::Cmd;
use crate::support::real_receiver::{brought, free_address};
use crate::support::text_of;

/// Returns the shell commands of a document, block by block.
fn blocks(path: &str) -> Vec<String> {
    let text = text_of(path);
    let blocks = text.split("```sh\n").skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
}

/// Returns a section of the README.
pub(crate) fn readme_section(heading: &str) -> String {
    let readme = text_of("README.md");
    let rest = readme.split_once(&format!("\n## {heading}")).expect("the section").1;
    rest.split("\n## ").next().unwrap().to_owned()
}

/// Returns the lines of README's sample log, but for those that depend on the machine's speed.
fn sample_log() -> Vec<String> {
    let is_log = |line: &&str| line.starts_with('[') && line.contains("] [");
    let depends = |line: &str| line.contains("Sleeping") || line.contains('✗');
    let start = readme_section("Start");
    let lines = start.lines().filter(is_log).filter(|line| !depends(line));
    let lines: Vec<String> = lines.map(Into::into).collect();
    assert!(lines.len() >= 7, "{lines:?}");
    lines
}

/// Replaces every run of digits by one, so that times and counts do not matter.
pub(crate) fn digits_as_one(text: &str) -> String {
    let mut shown: String =
        text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    while shown.contains("00") {
        shown = shown.replace("00", "0");
    }
    shown
}

#[test]
fn the_commands_of_readme_and_guide_work_when_pasted_in_order() {
    let Some(prometheus) = brought("prometheus2") else { return };
    let address = free_address();
    // The one thing that is not pasted: the port of this test.
    let mut script = format!(
        "set -e\nprometheus() {{ exec {} \"$@\" --web.listen-address={address}; }}\n\
         trap 'kill $!' EXIT\n",
        prometheus.display()
    );
    let mut count = 0;
    for block in [blocks("README.md"), blocks("docs/guide.md")].concat() {
        // Neither builds the program nor pushes for long.
        let is_short = ["--duration 30s", "--dry-run"].iter().any(|word| block.contains(word));
        if block.contains("make install") || block.contains("--duration") && !is_short {
            continue;
        }
        count += 1;
        let block = block.replace("localhost:9090", &address.to_string());
        let block = block.replace("--duration 30s", "--duration 3s");
        script += &format!("{block}echo 'block {count} done' >&2\n");
    }
    assert!(count >= 8, "{count} blocks");
    let run = Cmd::bare().shell(&script).run();
    run.assert_code(0).assert_says(&format!("block {count} done"));
    run.assert_says("Finished: all 3 datapoints pushed");
    run.assert_says("✓ Verified: all 720 datapoints match to the bit");
    run.assert_says("✓ Verified: all 1440 datapoints match to the bit");
    let said = digits_as_one(&run.stderr.replace(&address.to_string(), "localhost:9090"));
    for line in sample_log() {
        assert!(said.contains(&digits_as_one(&line)), "as README shows it: {line}\n{}", run.stderr);
    }
    assert!(run.stdout.contains("Dry run: nothing is sent."), "{}", run.stdout);
    assert!(run.stdout.contains("720 datapoints, 1 per minute"), "{}", run.stdout);
}
