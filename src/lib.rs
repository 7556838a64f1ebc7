//! Pushes a live, reproducible synthetic time series to a Prometheus remote-write endpoint.
//!
//! A series is a pure function on a grid, a run is a window of that grid, and a verb is what is
//! done with the window. Between runs only the flags and the origin have to be kept.
//!
//! # Code map, in reading order
//!
//! ```text
//! main.rs                      arguments -> run -> exit code
//!
//! series/mod.rs                the series and its iterator: curves, noise, incidents
//! series/counter.rs            the type of a metric, and when a counter starts from 0
//! series/grid.rs               which index is at which time
//! series/trend.rs              the line
//! series/seasonality.rs        the curves of the day and of the week
//! series/pchip.rs              the polynomials that a curve is made of
//! series/noise.rs              numpy's Gaussian deviates: MT19937 and Box-Muller
//! series/incidents.rs          known trouble, and the ticks that it covers
//! series/modular.rs            where the starts of a repeated incident meet the grid
//! series/timeline.rs           which incidents are active at a tick, and what they do there
//! series/schedule.rs           which ticks have how many datapoints
//! series/ln.rs                 a logarithm with the same bits on every host
//! labels.rs                    --labels: parsed, sanitised, fanned out into label sets
//! labels/selector.rs           label pairs that say which series are meant
//!
//! plan.rs                      what a run is about: the series, and a window of their grid
//!
//! cli/mod.rs                   from the command line to a checked command
//! cli/flags.rs                 the table of flags, for the parser and for the help; the verbs
//! cli/args.rs                  the arguments as typed
//! cli/values.rs                numbers, durations, times and offsets, from text
//! cli/window.rs                what a run is about, from flags: the series and its window
//! cli/incidents.rs             --incident: which trouble, when, and of which series
//! cli/verdict.rs               --alert and --detector: which alerts are judged, and how
//! cli/env/mod.rs               variables: the environment first, then .env
//! cli/env/dotenv.rs            the lines of a .env
//! cli/env/tests.rs             (tests) which source is trusted with what
//! cli/receiver/mod.rs          which receiver: URL or environment, certificates, proxy
//! cli/receiver/credentials.rs  credentials, each secret for its own target
//! cli/receiver/headers.rs      additional request headers
//! cli/config.rs                the checked settings of each command
//! cli/rerun_args.rs            the arguments that a printed command repeats
//! cli/help.rs                  -h, --help, --version
//! cli/testing.rs               (tests) a valid command line to vary
//!
//! commands/mod.rs              the commands, each with its settings and its run
//! commands/push.rs             shared by live and backfill: settings, connections, counts
//! commands/live/mod.rs         pushes each datapoint when its time has come
//! commands/live/gaps.rs        the gaps, each logged when it begins
//! commands/live/resume.rs      --resume: what the receiver already has of the window
//! commands/backfill/mod.rs     pushes the past at once, in batches
//! commands/backfill/resume.rs  --resume: sends only what the receiver lacks of the window
//! commands/export/mod.rs       backfill --output: writes the past into a file
//! commands/export/temporary.rs a file that has its name only when it is complete
//! openmetrics.rs               the text of that file
//! commands/preview/mod.rs      shows any window, as a chart, CSV or JSON
//! commands/preview/chart.rs    samples as lines of text, with both axes
//! commands/preview/axis.rs     round values, and round times of the day
//! commands/preview/canvas.rs   the dots, and the characters that they make
//! commands/preview/rules.rs    a test file of `promtool test rules`
//! commands/verify/mod.rs       reads a window back and compares it; also after a push
//! commands/verify/check.rs     a window read and compared, chunk by chunk
//! commands/verify/compare.rs   expected samples with those found, one by one
//! commands/verify/findings.rs  what a check found, in words
//! commands/verify/alerts.rs    what alerts did in a window, read chunk by chunk
//! commands/verify/judge.rs     which incidents were detected, and false alarms
//! commands/verify/verdict.rs   the verdict in words
//! commands/dry_run.rs          --dry-run: what live or backfill would send
//!
//! delivery/mod.rs              samples into requests, and their fates into the tally
//! delivery/attempts.rs         one request until its fate is known: attempts, waits, giving up
//! delivery/cut.rs              samples into requests, by number and by size
//! delivery/tally.rs            what became of every sample; the missing ranges
//! delivery/summary.rs          the summary of a run, and the commands that send the rest
//! delivery/rerun.rs            the command that sends a part of a run again
//!
//! read_back/mod.rs             reads the samples of a series, with retries
//! read_back/answer.rs          the limits of an answer, and the errors of reading
//! read_back/message.rs         remote read's messages, in and out
//! read_back/fields.rs          the fields of a protobuf message, read off a slice
//! read_back/victoriametrics.rs its CSV export, in place of remote read
//!
//! remote_write/mod.rs          the sending side of the protocol
//! remote_write/protocol.rs     versions, headers and hints
//! remote_write/body.rs         a message in snappy block format
//! remote_write/v1.rs           the message of 1.0
//! remote_write/v2.rs           the message of 2.0
//!
//! http/mod.rs                  posts bytes to one host; nothing of remote write
//! http/client.rs               one attempt, and its answer
//! http/outcome.rs              what it means: Outcome, with reasons and hints
//! http/target.rs               a receiver: its address and the credentials
//! http/secret.rs               secrets, given or in files
//! http/redact.rs               replaces secrets in URLs and in text from outside
//! http/url.rs                  URLs, checked; NO_PROXY
//! http/resolver.rs             the addresses of a host
//! http/transport.rs            connections with few system calls
//! http/tls.rs                  certificates and keys
//! http/tls_errors.rs           TLS errors in plain words
//! http/base64.rs               for basic authentication
//! http/dates.rs                Date and Retry-After
//! http/retry.rs                when to try again: backoff
//!
//! clock.rs                     now, waiting, signals; a trait, so that tests have their own
//! report/mod.rs                log lines, as text or JSON; the only writer to stderr
//! report/announce.rs           the first lines of a run's log
//! report/progress.rs           how far a long run has come
//! report/stdout.rs             the only writer to stdout
//! report/terminal.rs           its width, its characters, its colours
//! report/times.rs              local time, with the offset of the time shown
//! report/words.rs              durations, times and counts in words
//! error.rs                     errors for people, and the exit codes
//! generated.rs                 (tests) generated input for parsers
//! ```
//!
//! # Invariants
//!
//! - **Same bits everywhere.** A sample is a function of flags, origin and index; `series` uses
//!   IEEE operations in a fixed order and no clock, file, global or std mathematics. A retry
//!   sends the same bytes, another host the same sample.
//! - **The timestamp is the tick**, never the moment of sending, and never in the future: one
//!   such sample makes a Prometheus before 2.54 refuse everybody's.
//! - **One request at a time, oldest first.** It is settled before the next one is made, so a
//!   series' samples go out in order, and a sample that may be stored is never sent together
//!   with a new one.
//! - **Every sample is counted once**: planned = accepted + rejected + undelivered + unconfirmed
//!   + not yet due, at any moment. Only a 2xx is accepted.
//! - **Only `Outcome` is branched on.** Errors and reasons are for people; the text of a
//!   receiver's answer is shown, never interpreted.
//! - **Memory is flat** in the length of the run, of an outage and of a window: there is no
//!   queue, and overdue ticks are generated again.
//! - **A secret goes to its own target**, unencrypted only when asked to, across no redirect, and
//!   into no log line, error or `Debug`. Text from outside is shown on one line, escaped, without
//!   the secrets that are known. A target from a `.env` that was only found gets no other secret.
//! - **An unread log never stops a run**: a closed stderr and a full disk are ignored.
//! - **Imports go down only**: main, cli, commands, delivery, read_back, report, openmetrics,
//!   plan, remote_write, http. An external crate has one importer, or few. tests/it/tidy.rs checks
//!   this, and the length of files.

pub mod cli;
pub mod clock;
pub mod commands;
pub mod delivery;
pub mod error;
#[cfg(test)]
mod generated;
pub mod http;
pub mod labels;
pub mod openmetrics;
pub mod plan;
pub mod read_back;
pub mod remote_write;
pub mod report;
pub mod series;
