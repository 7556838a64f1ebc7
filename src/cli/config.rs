//! The checked configuration: units applied, every cross-check done, built once.
//!
//! Nothing here reads a clock, a file or a socket.

use std::path::PathBuf;

use crate::delivery::{Rerun, RetryLimits};
use crate::http::Target;
use crate::plan::Plan;
use crate::read_back::ReadConfig;
use crate::remote_write::Protocol;
use crate::report::OutputConfig;

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
    pub patience: RetryLimits,
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
    pub patience: RetryLimits,
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
