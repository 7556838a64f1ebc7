//! The checked configuration: units applied, every cross-check done, built once.
//!
//! Nothing here reads a clock, a file or a socket.

use std::path::PathBuf;
use std::time::Duration;

use crate::plan::Plan;
use crate::remote_write::{Protocol, Target};
use crate::series::Grid;

/// What the command line asks for, and how it is to be told of.
#[derive(Debug)]
pub struct Invocation {
    /// What to do.
    pub command: Command,
    /// How it speaks.
    pub output: OutputConfig,
    /// What was noticed while checking, for the log's first lines.
    pub warnings: Vec<String>,
}

/// What is to be done.
#[derive(Debug)]
pub enum Command {
    /// Print this text to stdout.
    Print(String),
    /// Push each datapoint when its time has come.
    Live(Box<LiveConfig>),
    /// Push the past at once.
    Backfill(Box<BackfillConfig>),
    /// Write the past as OpenMetrics text.
    Export(Box<ExportConfig>),
    /// Read datapoints back and compare them.
    Verify(Box<VerifyConfig>),
    /// Draw or print a window.
    Preview(Box<PreviewConfig>),
    /// Show what a run would send.
    DryRun(Box<DryRunConfig>),
}

/// What the live verb needs.
#[derive(Debug)]
pub struct LiveConfig {
    /// The ticks to push.
    pub plan: Plan,
    /// Where to, and as whom.
    pub target: Target,
    /// How long to try.
    pub patience: Patience,
    /// Samples in one request at most.
    pub batch_size: usize,
    /// Whether a stale marker ends the series.
    pub stale_marker: bool,
    /// Where to read, for `resume` and `verify`; there when one of them is set.
    pub read: Option<ReadConfig>,
    /// Whether to go on after what the receiver has of the window.
    pub resume: bool,
    /// Whether to read the window back in the end.
    pub verify: bool,
    /// The command line without its window, to print commands that continue this run.
    pub rerun: Rerun,
}

/// What the backfill verb needs to push.
#[derive(Debug)]
pub struct BackfillConfig {
    /// The ticks to push.
    pub plan: Plan,
    /// Where to, and as whom.
    pub target: Target,
    /// How long to try.
    pub patience: Patience,
    /// Samples in one request at most.
    pub batch_size: usize,
    /// Where to read, for `resume` and `verify`; there when one of them is set.
    pub read: Option<ReadConfig>,
    /// Whether to send only what the receiver does not have of the window.
    pub resume: bool,
    /// Whether to read the window back in the end.
    pub verify: bool,
    /// The command line without its window, to print commands that continue this run.
    pub rerun: Rerun,
}

/// What the backfill verb needs to write a file.
#[derive(Debug)]
pub struct ExportConfig {
    /// The ticks to write.
    pub plan: Plan,
    /// The file, which is there when it is complete, and not before; stdout where there is none.
    pub path: Option<PathBuf>,
    /// Whether a file that has its name is replaced.
    pub is_replacing: bool,
}

/// What the verify verb needs.
#[derive(Debug)]
pub struct VerifyConfig {
    /// The ticks that are expected.
    pub plan: Plan,
    /// Where to read them.
    pub read: ReadConfig,
    /// The command line without its window, to print commands that send what is missing.
    pub rerun: Rerun,
}

/// What the preview verb needs.
#[derive(Debug)]
pub struct PreviewConfig {
    /// The ticks to show.
    pub plan: Plan,
    /// As what.
    pub form: PreviewForm,
}

/// As what a window is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreviewForm {
    /// A chart.
    Chart {
        /// Its width; the terminal's where there is none.
        columns: Option<usize>,
        /// Plain ASCII, whatever the terminal can show.
        is_ascii: bool,
    },
    /// Lines of `timestamp,value`.
    Csv,
}

/// Everything that is known of a run that is not to take place.
#[derive(Debug)]
pub struct DryRunConfig {
    /// The ticks that would be sent.
    pub plan: Plan,
    /// Samples in one request at most.
    pub batch_size: usize,
    /// Whether each tick goes alone, when its time has come.
    pub is_live: bool,
    /// Which messages would be sent.
    pub protocol: Protocol,
    /// Where to, if that is known.
    pub target: Option<Target>,
}

/// How long delivery of a sample is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// A sample is given up this long after its first failed attempt.
    pub max_sample_age: Duration,
    /// After the last tick, pending samples are tried for this long.
    pub flush_timeout: Duration,
}

/// Where and how samples are read back.
#[derive(Clone, Debug)]
pub struct ReadConfig {
    /// The remote-read address, with the credentials that belong to it.
    pub target: Target,
    /// What is spoken there.
    pub api: ReadApi,
    /// How long one question is tried.
    pub patience: Duration,
}

/// What a receiver speaks to those who read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadApi {
    /// Remote read, unless it answers as VictoriaMetrics does.
    Auto,
    /// Remote read.
    Prometheus,
    /// The CSV export of VictoriaMetrics.
    VictoriaMetrics,
}

/// How a run speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputConfig {
    /// Nothing at all when all went well.
    pub quiet: bool,
    /// Debug lines too.
    pub verbose: bool,
    /// One JSON object a line instead of text.
    pub json: bool,
}

/// The command line as typed, without its window and its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rerun {
    /// Arguments that define series, target and delivery, unquoted, in flag-table order.
    pub args: Vec<String>,
    /// Those of them that the verify verb takes, after its word.
    pub verify_args: Vec<String>,
    /// What to know before one of the commands is run, where a secret was left out of it.
    pub note: Option<String>,
    /// The flag that the step is given with.
    pub step_flag: &'static str,
    /// The grid, by its origin and step.
    pub grid: Grid,
    /// Whether it is a backfill that can read what is there, and sends only what is missing.
    pub resumes: bool,
}
