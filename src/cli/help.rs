//! The texts of `-h`, `--help` and `--version`; the flags in them come from the parser's table.

use super::flags::{Flag, SECTIONS, Verb};
use crate::report::words::wrapped;

/// Width of every text, in columns.
const COLUMNS: usize = 80;
/// Indentation of the text about a flag.
const INDENT: &str = "      ";

const PURPOSE: &str = "\
Pushes a live synthetic time series (trend, daily season and noise), one
datapoint a minute, to any Prometheus remote-write endpoint.
";

const USAGE: &str = "\
USAGE
  push-live-metrics [live] [FLAGS]    push each datapoint when it is due
  push-live-metrics backfill [FLAGS]  push the past at once, or write it out
  push-live-metrics preview [FLAGS]   draw any window, or print it as CSV
  push-live-metrics verify [FLAGS]    read datapoints back and compare each
  push-live-metrics help [VERB]       show this, or the help of one verb
";

const BACKFILL_PURPOSE: &str = "\
Pushes a window of the past at once, or writes it as OpenMetrics text.
";

const PREVIEW_PURPOSE: &str = "\
Draws a window of the series in the terminal, or prints it as CSV. Sends
nothing; target flags are ignored. Times are UTC, shifted by --utc-offset.
";

const VERIFY_PURPOSE: &str = "\
Reads datapoints back from the receiver, compares each with the series bit by
bit, and prints the commands that send what is missing. With --alert it also
judges whether alerts noticed the incidents, and nothing else.
";

const EXAMPLES: &str = r#"EXAMPLES
  # Half an hour into a Prometheus on this host that was started with
  # --web.enable-remote-write-receiver.
  push-live-metrics --metric-name cpu --labels cpu=lina_cp_avg,uuid=device-456 \
    --duration 30 --url http://localhost:9090/api/v1/write

  # Two hours to the staging environment, with CDO_TOKEN set or in .env.
  push-live-metrics --metric-name cpu --labels cpu=lina_cp_avg,uuid=device-456 \
    --duration 2h --env staging --trend-coefficient 0.5 --flat-base 20

  # From cron, every minute: push the one datapoint that is due.
  push-live-metrics --metric-name cpu --labels cpu=lina_cp_avg --duration 1 \
    --origin 2026-01-01T00:00:00Z --quiet --env-file /etc/push-live-metrics.env

  # 500 series to one tenant of a Mimir.
  push-live-metrics --metric-name cpu --labels 'host=web-{001..500}' \
    --duration 1h --url https://mimir.example/api/v1/push \
    --header 'X-Scope-OrgID: demo'
"#;

const BACKFILL_EXAMPLES: &str = r#"
  # The last three weeks of the same series, one datapoint every 15 minutes.
  push-live-metrics backfill --metric-name cpu --labels cpu=lina_cp_avg \
    --since 21d --url http://localhost:9090/api/v1/write
"#;

const PREVIEW_EXAMPLES: &str = r#"
  # The next 24 hours.
  push-live-metrics preview --metric-name cpu --labels cpu=lina_cp_avg

  # What a live run of one hour would push.
  push-live-metrics preview --metric-name cpu --labels cpu=lina_cp_avg \
    --duration 60 --trend-coefficient 0.5

  # The last three weeks for a spreadsheet.
  push-live-metrics preview --metric-name cpu --labels cpu=lina_cp_avg \
    --since 21d --format csv
"#;

const VERIFY_EXAMPLES: &str = r#"
  # Is the last day complete and correct? Every run logs its origin.
  push-live-metrics verify --metric-name cpu --labels cpu=lina_cp_avg \
    --since 1d --step-size 1m --origin 2026-01-01T00:00:00Z \
    --url http://localhost:9090/api/v1/write

  # Did HighCpu fire for the incident of last night, and only then? The window
  # was pushed live: rules see only what arrives live.
  push-live-metrics verify --metric-name cpu --labels cpu=lina_cp_avg \
    --since 1d --step-size 1m --origin 2026-01-01T00:00:00Z \
    --incident shift@2h+10m/24h=60 --alert HighCpu \
    --url http://localhost:9090/api/v1/write
"#;

const NOTATION: &str = "\
TIME is epoch seconds or RFC 3339, as in 2026-01-01T00:00:00Z. DURATION is a
whole number with its unit: 20ms, 30s, 5m, 1h, 21d.
";

const EXIT_STATUS: &str = "\
EXIT STATUS
  0    every datapoint was accepted, or read back equal
  1    finished, but some were rejected, not delivered or unconfirmed
  2    usage or configuration; nothing was sent
  3    refused before anything was accepted, or refused to be read
  4    unreachable: nothing was accepted, or could be read, before time ran out
  5    verify: datapoints missing, different or in gaps; a missed or false alarm
  101  a bug in this program, or of a library; something may have been sent
  130  interrupted, after the summary
";

/// The variables that env and receiver look up.
const ENVIRONMENT: &str = "\
ENVIRONMENT
  The environment comes first, then .env in the current directory or --env-file.
  Secrets belong here, not on the command line. NAME_FILE names a file that has
  NAME; it is read again for each request (a pipe: once). A .env that was found,
  not given with --env-file, cannot set a proxy, certificates or a secret file
  outside its folder, and its REMOTE_WRITE_URL gets no secret but its own.

  REMOTE_WRITE_URL            target, when no flag gives one
  ENV                         target by name, when no URL is given
  CDO_TOKEN, CDO_TOKEN_FILE   bearer token, required for --env and ENV, sent
                              nowhere else
  REMOTE_WRITE_TOKEN, REMOTE_WRITE_TOKEN_FILE
                              bearer token for a URL
  REMOTE_WRITE_USERNAME, REMOTE_WRITE_PASSWORD, REMOTE_WRITE_PASSWORD_FILE
                              basic authentication for a URL
  ALERT_URL_TOKEN, ALERT_URL_TOKEN_FILE
                              bearer token for --alert-url
  ALERT_URL_USERNAME, ALERT_URL_PASSWORD, ALERT_URL_PASSWORD_FILE
                              basic authentication for --alert-url
  SSL_CERT_FILE               certificates to trust, when --ca-file is not given
  HTTPS_PROXY, HTTP_PROXY, NO_PROXY
                              proxy by the URL's scheme, also in lower case;
                              not used for loopback
";

/// Returns the purpose and the examples of a verb; for live the examples of every verb.
fn texts(verb: Verb) -> (&'static str, String) {
    match verb {
        Verb::Live => {
            (PURPOSE, [EXAMPLES, BACKFILL_EXAMPLES, PREVIEW_EXAMPLES, VERIFY_EXAMPLES].concat())
        }
        Verb::Backfill => (BACKFILL_PURPOSE, format!("EXAMPLES{BACKFILL_EXAMPLES}")),
        Verb::Preview => (PREVIEW_PURPOSE, format!("EXAMPLES{PREVIEW_EXAMPLES}")),
        Verb::Verify => (VERIFY_PURPOSE, format!("EXAMPLES{VERIFY_EXAMPLES}")),
    }
}

/// Returns one screen of help.
pub(super) fn short(verb: Verb) -> String {
    let (purpose, examples) = texts(verb);
    if verb != Verb::Live {
        let name = verb.name();
        return format!("{purpose}\n{examples}\nEvery flag: push-live-metrics {name} --help\n");
    }
    let required = "\
FLAGS
  --metric-name NAME         name of the metric (required)
  --labels K=V,...           labels of the series (required)
  --duration MINUTES         how long to push; 10s and 2h work too (required)
  --url URL or --env NAME    where to push
  --dry-run                  show what would be sent
  --help, help [VERB]        every verb, flag, variable and exit status
";
    let two = EXAMPLES.split("\n\n").take(2).collect::<Vec<_>>().join("\n\n");
    format!("{purpose}\n{two}\n\n{required}")
}

/// Returns all of the help of a verb; for live that of every verb.
pub(super) fn long(verb: Verb) -> String {
    let (purpose, examples) = texts(verb);
    let mut text = format!("{purpose}\n{USAGE}");
    for (heading, flags) in SECTIONS {
        text.push_str(&format!("\n{heading}\n"));
        let is_shown = |flag: &&Flag| verb == Verb::Live || flag.verbs.contains(&verb);
        flags.iter().filter(is_shown).for_each(|flag| text.push_str(&describe(flag)));
    }
    for (name, does) in [
        ("-h", "Print one screen of help."),
        ("--help", "Print all of the help."),
        ("-V", "Print the version."),
        ("--version", "Print the version."),
    ] {
        text.push_str(&format!("  {name}\n{INDENT}{does}\n"));
    }
    format!("{text}\n{NOTATION}\n{EXIT_STATUS}\n{ENVIRONMENT}\n{examples}")
}

/// Returns name and version.
pub(super) fn version() -> String {
    let tls = if cfg!(feature = "tls") { "" } else { " (without TLS)" };
    format!("push-live-metrics {}{tls}\n", env!("CARGO_PKG_VERSION"))
}

fn describe(flag: &Flag) -> String {
    let mut usage = format!("  --{}", flag.name);
    let verbs: Vec<&str> = flag.verbs.iter().map(|verb| verb.name()).collect();
    let verbs = if flag.verbs == Verb::ALL { String::new() } else { verbs.join(", ") };
    for (before, text, after) in [
        (" ", flag.value, ""),
        (" [default: ", flag.default, "]"),
        (" [variable: ", flag.variable, "]"),
        (" [", &verbs, "]"),
    ] {
        if !text.is_empty() {
            usage += &format!("{before}{text}{after}");
        }
    }
    let help = wrapped(flag.help, COLUMNS - INDENT.len());
    let help = help.iter().map(|line| format!("{INDENT}{line}\n")).collect::<String>();
    format!("{usage}\n{help}")
}

#[cfg(test)]
mod tests {
    use super::super::flags::flags;
    use super::*;

    #[test]
    fn every_line_fits() {
        for verb in Verb::ALL {
            for line in short(*verb).lines().chain(long(*verb).lines()) {
                assert!(line.len() <= COLUMNS, "{line}");
            }
            assert!(short(*verb).lines().count() <= 24);
        }
    }

    #[test]
    fn help_has_every_flag_and_default() {
        for flag in flags() {
            for verb in flag.verbs.iter().chain([&Verb::Live]) {
                assert!(long(*verb).contains(&format!("  --{}", flag.name)), "--{}", flag.name);
            }
        }
        assert!(!long(Verb::Preview).contains("  --dry-run"));
        assert!(
            long(Verb::Live).contains("\n  --interval DURATION [default: 60s] [live, preview]\n")
        );
    }

    #[test]
    fn examples_are_commands_that_parse() {
        let commands = [EXAMPLES, BACKFILL_EXAMPLES, PREVIEW_EXAMPLES, VERIFY_EXAMPLES].concat();
        let commands = commands.replace("\\\n", " ");
        let commands: Vec<&str> =
            commands.lines().filter(|line| line.starts_with("  push-live-metrics ")).collect();
        assert_eq!(commands.len(), 10);
        for command in commands {
            let words = command.split('\'').enumerate().flat_map(|(part, text)| {
                let words: Vec<&str> =
                    if part % 2 == 1 { vec![text] } else { text.split_whitespace().collect() };
                words
            });
            let parsed = super::super::args::parse(words.skip(1).map(Into::into));
            assert!(parsed.is_ok(), "{command}");
        }
    }
}
