//! What each command is given: units applied, every cross-check done, built once.

use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;

use super::args::Args;
use super::env::Settings;
use super::flags::Verb;
use super::receiver::{self, Name, Receiver};
use super::{rerun_args, values, verdict};
use crate::commands::dry_run::DryRunConfig;
use crate::commands::export::ExportConfig;
use crate::commands::preview::{PreviewConfig, PreviewForm};
use crate::commands::push::PushConfig;
use crate::commands::verify::{VerdictConfig, VerifyConfig};
use crate::delivery::{DeliveryConfig, Rerun, RetryLimits};
use crate::error::{BadInput, Error};
use crate::http::Target;
use crate::plan::Plan;
use crate::read_back::ReadConfig;
use crate::report::OutputConfig;
use crate::series::TimestampMs;

/// Checks the flags of a verb that has a receiver.
pub(super) struct ConfigBuilder<'a> {
    pub(super) verb: Verb,
    pub(super) settings: Settings<'a>,
    pub(super) warnings: &'a mut Vec<String>,
}

impl ConfigBuilder<'_> {
    /// Checks what `live` and `backfill` need.
    pub(super) fn push(&mut self, plan: Plan) -> Result<PushConfig, Error> {
        let args = self.settings.args;
        let (resume, verify) = (args.has("resume"), args.has("verify"));
        let delivery = delivery(args)?;
        let name = receiver::name(&self.settings)?;
        let Reached { target, read, verdict, rerun } = self.reached(name, &plan)?;
        Ok(PushConfig {
            plan,
            target,
            delivery,
            stale_marker: args.has("stale-marker"),
            read,
            resume,
            verify,
            verdict,
            rerun,
        })
    }

    pub(super) fn verify(&mut self, plan: Plan) -> Result<VerifyConfig, Error> {
        let name = receiver::name(&self.settings)?;
        let Reached { read, verdict, rerun, .. } = self.reached(name, &plan)?;
        Ok(VerifyConfig { plan, read: read.expect("verify reads"), verdict, rerun })
    }

    /// Checks what `live` and `backfill` check, but a receiver need not be named.
    pub(super) fn dry_run(&mut self, plan: Plan) -> Result<DryRunConfig, Error> {
        let delivery = delivery(self.settings.args)?;
        let target = match receiver::name(&self.settings) {
            Ok(name) => Some(self.reached(name, &plan)?.target),
            Err(error) => {
                self.warnings.push(error.to_string());
                None
            }
        };
        Ok(DryRunConfig { plan, delivery, is_live: self.verb == Verb::Live, target })
    }

    /// Returns what a command needs of the receiver of this name.
    fn reached(&mut self, name: Name, plan: &Plan) -> Result<Reached, Error> {
        let (settings, args) = (&self.settings, self.settings.args);
        let receiver = Receiver { name, settings };
        let target = receiver.target(self.warnings);
        let target = target.map_err(|error| settings.without_secrets(error))?;
        let reads = self.verb == Verb::Verify || args.has("resume") || args.has("verify");
        let read = match receiver.read_config(&target) {
            // A given flag is checked even when nothing is read.
            Err(error) if reads || args.has("read-url") => return Err(error),
            read => read.ok(),
        };
        // What verify finds missing is in the past, so a backfill sends it.
        let verb = if self.verb == Verb::Verify { Verb::Backfill } else { self.verb };
        let rerun = Rerun {
            is_readable: read.is_some(),
            ..rerun_args::rerun(verb, args, (&receiver.name, &target), plan.model.grid)
        };
        let verdict = verdict::config((&receiver, &target), plan, self.warnings)?;
        Ok(Reached { target, read: read.filter(|_| reads), verdict, rerun })
    }
}

/// What a command needs of its receiver.
struct Reached {
    target: Target,
    /// Where to read, if the command reads.
    read: Option<ReadConfig>,
    /// Which alerts to judge, if any.
    verdict: Option<VerdictConfig>,
    /// The command that continues the run.
    rerun: Rerun,
}

pub(super) fn export(args: &Args, plan: Plan) -> Result<ExportConfig, BadInput> {
    let path = match args.value("output") {
        "-" => None,
        file => Some(new_file(file, args)?),
    };
    Ok(ExportConfig { plan, path, is_replacing: args.has("force") })
}

/// Returns a warning for a file that ends too late to become blocks.
///
/// At its next start a Prometheus ignores what its write-ahead log has, of every series, from
/// before the end of its newest block. Only the log has the last 3 hours: one and a half times the
/// length of a block, 2 hours.
pub(super) fn late_for_blocks(args: &Args, plan: &Plan, now: TimestampMs) -> Option<String> {
    let end = TimestampMs((now.0 - 3 * 3_600_000).div_euclid(60_000) * 60_000);
    let time_of = |index| plan.model.grid.time_of(index);
    let start = time_of(plan.window.first_index);
    if time_of(plan.window.end_index() - 1) < end {
        return None;
    }
    let hint = if start >= end {
        "push it instead".to_owned()
    } else if args.has("since") {
        format!("give --start-epoch {start} --end-epoch {end} in place of --since")
    } else {
        format!("give --end-epoch {end}")
    };
    Some(format!(
        "--output: the window reaches into the last 3 hours, and blocks made of it would hide \
         what a Prometheus has of other series from that time; for blocks, {hint}"
    ))
}

pub(super) fn preview(args: &Args, plan: Plan) -> Result<PreviewConfig, BadInput> {
    let columns = args.parsed_if_given("width", values::columns)?;
    let forms = [
        ("chart", PreviewForm::Chart { columns, is_ascii: args.has("ascii") }),
        ("csv", PreviewForm::Csv),
        ("truth", PreviewForm::Truth),
        ("windows", PreviewForm::Windows),
        ("promtool", PreviewForm::RuleTest),
    ];
    let form = args.parsed("format", |text| values::choice(text, "a format", &forms))?;
    Ok(PreviewConfig { plan, form })
}

/// Returns the path of a file to write, after checking that no other file is lost.
fn new_file(file: &str, args: &Args) -> Result<PathBuf, BadInput> {
    let path = PathBuf::from(file);
    let bad = |problem, hint| Err(args.bad("output", problem, hint));
    if path.is_dir() {
        return bad("is a folder", "name a file in it");
    }
    if path.file_name().is_none() {
        return bad("is not the name of a file", "name a file, or - for stdout");
    }
    // Writing into a FIFO or /dev/null loses nothing. A link counts as the file it leads to.
    let file_type = path.metadata().map(|metadata| metadata.file_type());
    let is_replaced = file_type.is_ok_and(|kind| !kind.is_fifo() && !kind.is_char_device());
    if is_replaced && !args.has("force") {
        return bad("is there already", "name another file, or add --force to replace it");
    }
    Ok(path)
}

fn delivery(args: &Args) -> Result<DeliveryConfig, BadInput> {
    let limits = RetryLimits {
        give_up_after: args.parsed("give-up-after", values::duration_or_zero)?,
        flush_timeout: args.parsed("flush-timeout", values::duration_or_zero)?,
    };
    let protocol = args.parsed("protocol", values::protocol)?;
    let batch_size = args.parsed("batch-size", values::batch_size)?;
    Ok(DeliveryConfig { protocol, batch_size, limits })
}

pub(super) fn output(args: &Args) -> Result<OutputConfig, BadInput> {
    let is_json = [("text", false), ("json", true)];
    let json = args.parsed("log-format", |text| values::choice(text, "a log format", &is_json))?;
    Ok(OutputConfig { quiet: args.has("quiet"), verbose: args.has("verbose"), json })
}
