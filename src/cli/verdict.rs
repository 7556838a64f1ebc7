//! --alert and --detector: which alerts are judged, how, and where they are read.

use super::args::{Args, bad_flag};
use super::flags::VERDICT;
use super::receiver::Receiver;
use super::values;
use crate::commands::verify::{Alert, VerdictConfig};
use crate::error::{BadInput, Error, Escaped};
use crate::http::Target;
use crate::plan::Plan;
use crate::series::Kind;

/// How long PromQL shows the last sample of a series that has ended, in milliseconds.
/// Source: Prometheus, `--query.lookback-delta`.
const LOOKBACK_MS: u64 = 5 * 60_000;

/// Checks that a run that judges alerts reads its window back before.
///
/// # Errors
/// It does not.
pub(super) fn check_verified(args: &Args) -> Result<(), BadInput> {
    match VERDICT.iter().find(|flag| args.has(flag.name) && !args.has("verify")) {
        Some(flag) => {
            Err(args.bad(flag.name, "is given without --verify", "add it: alerts are judged then"))
        }
        None => Ok(()),
    }
}

/// Returns which alerts to judge, if any.
///
/// # Errors
/// A flag cannot be used, or has nothing to judge.
pub(super) fn config(
    (args, plan): (&Args, &Plan),
    (receiver, target): (&Receiver<'_>, &Target),
    warnings: &mut Vec<String>,
) -> Result<Option<VerdictConfig>, Error> {
    let mut alerts = Vec::new();
    for (flag, new) in
        [("alert", Alert::Rule as fn(String) -> Alert), ("detector", Alert::Detector)]
    {
        for name in args.all(flag) {
            let alert = new(name.into());
            let problem = match () {
                () if name.is_empty() => "is empty",
                () if alerts.contains(&alert) => "is given twice",
                () if flag == "detector" && name == plan.metric_name => "is the metric itself",
                () => {
                    alerts.push(alert);
                    continue;
                }
            };
            let hint = "name an alert, or the metric of a detector, once";
            return Err(bad_flag(flag, Some(name), problem, hint).into());
        }
    }
    if alerts.is_empty() {
        return match VERDICT.iter().find(|flag| args.has(flag.name)) {
            Some(flag) => {
                let problem = "is given without --alert or --detector";
                Err(args.bad(flag.name, problem, "add one of them, or leave it out").into())
            }
            None => Ok(None),
        };
    }
    if args.has("alert") {
        let is_short = |kind, length_ms| kind == Kind::Gap && length_ms < LOOKBACK_MS;
        let short = plan
            .incidents
            .iter()
            .filter(|named| is_short(named.incident.kind, named.incident.length_ms));
        warnings.extend(short.map(|named| {
            format!(
                "--incident '{}': absent() does not notice a gap under 5 minutes",
                Escaped(&named.text)
            )
        }));
    }
    Ok(Some(VerdictConfig {
        alerts,
        fires_within: args.parsed("fires-within", values::duration)?,
        resolves_within: args.parsed("resolves-within", values::duration_or_zero)?,
        read: receiver.alert_config(target)?,
    }))
}
