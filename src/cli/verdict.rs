//! --alert and --detector: which alerts are judged, how, and where they are read.

use super::flags::VERDICT;
use super::receiver::Receiver;
use super::values;
use crate::commands::verify::judge::{PAUSE_MAX_MS, Terms};
use crate::commands::verify::{Alert, VerdictConfig};
use crate::error::{Error, Escaped, unusable};
use crate::http::Target;
use crate::plan::Plan;
use crate::series::{Incident, Kind};

/// Returns which alerts to judge, if any.
///
/// # Errors
/// A flag cannot be used, or has nothing to judge.
pub(super) fn config(
    (receiver, target): (&Receiver<'_>, &Target),
    plan: &Plan,
    warnings: &mut Vec<String>,
) -> Result<Option<VerdictConfig>, Error> {
    let args = receiver.settings.args;
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
            return Err(unusable(problem, hint).at(&format!("--{flag}"), Some(name)).into());
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
    let is_short = |incident: &Incident| {
        incident.kind == Kind::Gap && incident.length_ms < PAUSE_MAX_MS.unsigned_abs()
    };
    let gaps = plan.incidents.iter().filter(|named| is_short(&named.incident));
    warnings.extend(gaps.filter(|_| args.has("alert")).map(|gap| {
        let text = Escaped(&gap.text);
        format!("--incident '{text}': absent() does not notice a gap under 5 minutes")
    }));
    let terms = Terms {
        fires_within_ms: values::millis(args.parsed("fires-within", values::duration)?),
        resolves_within_ms: values::millis(
            args.parsed("resolves-within", values::duration_or_zero)?,
        ),
    };
    Ok(Some(VerdictConfig { alerts, terms, read: receiver.alert_config(target)? }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::{Setup, start};
    use crate::cli::{Command, CommandLine};
    use crate::http::{Auth, Secret};

    fn verify(flags: &[&str]) -> Setup {
        start().flags(&["--since=1h", "--step-size=1m"]).flags(flags)
    }

    #[track_caller]
    fn judged(setup: &Setup) -> VerdictConfig {
        match setup.parse("verify").expect("the command line is right").command {
            Command::Verify(config) => config.verdict.expect("it judges"),
            other => panic!("is {other:?}"),
        }
    }

    #[track_caller]
    fn check_error(flags: &[&str], expected: &str) {
        assert_eq!(verify(flags).parse("verify").unwrap_err().to_string(), expected);
    }

    #[test]
    fn alerts_and_detectors_are_judged_together() {
        let config = judged(&verify(&["--detector=z:score", "--alert=A b", "--alert", "C"]));
        let rule = |name: &str| Alert::Rule(name.into());
        let expected = [rule("A b"), rule("C"), Alert::Detector("z:score".into())];
        assert_eq!(config.alerts, expected);
        let terms = |config: &VerdictConfig| {
            [config.terms.fires_within_ms, config.terms.resolves_within_ms]
        };
        assert_eq!((terms(&config), config.read.is_none()), ([300_000, 300_000], true));
        let flags = ["--alert=A", "--fires-within=90s", "--resolves-within=0s"];
        assert_eq!(terms(&judged(&verify(&flags))), [90_000, 0]);
    }

    #[test]
    fn what_cannot_be_judged_is_refused() {
        let name = "name an alert, or the metric of a detector, once";
        check_error(&["--alert="], &format!("--alert '': is empty; {name}"));
        check_error(&["--alert=A", "--alert=A"], &format!("--alert 'A': is given twice; {name}"));
        let metric = format!("--detector 'cpu': is the metric itself; {name}");
        check_error(&["--detector=cpu"], &metric);
        let form = "give a whole number and a unit: 20ms, 30s, 5m, 1h or 21d";
        let negative = |flag| format!("--{flag} '-5m': is negative; {form}");
        check_error(&["--alert=A", "--fires-within=-5m"], &negative("fires-within"));
        check_error(&["--alert=A", "--resolves-within=-5m"], &negative("resolves-within"));
        let zero = "--fires-within '0s': is zero; give at least 1ms";
        check_error(&["--alert=A", "--fires-within=0s"], zero);
        for (flag, value) in
            [("fires-within", "5m"), ("resolves-within", "5m"), ("alert-url", "http://h/")]
        {
            let expected = format!(
                "--{flag} '{value}': is given without --alert or --detector; \
                 add one of them, or leave it out"
            );
            check_error(&[&format!("--{flag}={value}")], &expected);
        }
    }

    #[test]
    fn a_live_run_judges_what_it_verifies_and_a_backfill_nothing() {
        let live = |flags: &[&str]| start().flags(flags).parse("").map(|line| line.command);
        let without = "is given without --verify; add it: alerts are judged then";
        for (flags, flag) in [(&["--alert=A"][..], "alert"), (&["--detector=A"], "detector")] {
            let error = live(flags).unwrap_err().to_string();
            assert_eq!(error, format!("--{flag} 'A': {without}"));
            let dry = live(&[flags, &["--dry-run"]].concat()).unwrap_err().to_string();
            assert_eq!(dry, format!("--{flag} 'A': {without}"));
        }
        let Ok(Command::Live(config)) = live(&["--alert=A", "--verify"]) else { panic!() };
        assert_eq!(config.verdict.unwrap().alerts, [Alert::Rule("A".into())]);
        // It is not judged by a command that sends a part of it, but by the one that verifies it.
        let judging = |args: &[String]| args.contains(&"--alert".to_owned());
        assert_eq!(
            (judging(&config.rerun.args), judging(&config.rerun.verify_args)),
            (false, true)
        );
        let backfill = verify(&["--alert=A"]).parse("backfill").unwrap_err().to_string();
        let expected =
            "--alert: is a flag of live, verify, not of backfill; rules see only what arrives live";
        assert_eq!(backfill, expected);
    }

    #[test]
    fn a_gap_that_absent_does_not_notice_is_warned_of() {
        let warnings = |length: &str, flag: &str| {
            let incident = format!("--incident=gap@1h+{length}");
            let setup = verify(&[&incident, flag, "--origin=1765960000"]);
            setup.parse("verify").map(|CommandLine { warnings, .. }| warnings).unwrap()
        };
        let expected = "--incident 'gap@1h+299s': absent() does not notice a gap under 5 minutes";
        assert_eq!(warnings("299s", "--alert=A"), [expected]);
        assert!(warnings("5m", "--alert=A").is_empty());
        assert!(warnings("299s", "--detector=A").is_empty());
    }

    #[test]
    fn alerts_are_read_elsewhere_with_secrets_of_their_own() {
        let flags = ["--alert=A", "--alert-url=https://vm.example/api/v1/read"];
        let headers = ["--header=X-Api-Key: s3cret", "--header=X-Scope-OrgID: demo"];
        let setup = verify(&flags).flags(&headers).variable("REMOTE_WRITE_TOKEN", "ours");
        let target = |setup: &Setup| judged(setup).read.unwrap().target;
        let found = target(&setup);
        assert_eq!(
            (found.auth, found.url.as_str()),
            (Auth::None, "https://vm.example/api/v1/read")
        );
        let names: Vec<&str> = found.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((names, found.auth_source.as_str()), (vec!["X-Scope-OrgID"], "ALERT_URL_TOKEN"));
        let setup = setup.variable("ALERT_URL_TOKEN", "theirs");
        let bearer = Auth::Bearer(Secret::Inline("theirs".into()));
        assert_eq!(target(&setup).auth, bearer);
        let Ok(CommandLine { command: Command::Verify(config), .. }) = setup.parse("verify") else {
            panic!()
        };
        let ours = Auth::Bearer(Secret::Inline("ours".into()));
        assert_eq!(config.read.target.auth, ours);
        // A file that was found may have them: the address was asked for.
        let found = verify(&flags).file(".env", "ALERT_URL_TOKEN=theirs\n");
        let found = found.flags(&["--url=https://h.example/api/v1/write"]);
        assert_eq!(target(&found).auth, bearer);
    }

    #[test]
    fn secrets_of_alerts_are_checked() {
        let flags = ["--alert=A", "--alert-url=http://vm.example/api/v1/read"];
        let error = |setup: &Setup| setup.parse("verify").unwrap_err().to_string();
        let setup = verify(&flags).variable("ALERT_URL_USERNAME", "u");
        let without = "is set without ALERT_URL_PASSWORD; set both or none";
        assert_eq!(error(&setup), format!("ALERT_URL_USERNAME: {without}"));
        let plain = "--alert-url 'http://vm.example/api/v1/read': is plain http, which would show \
                     the credentials to anyone on the way; use https, or add \
                     --allow-plain-http-credentials";
        assert_eq!(error(&setup.variable("ALERT_URL_PASSWORD", "p")), plain);
        // The target's own do not go there, so that nothing is shown.
        let setup = verify(&flags).variable("REMOTE_WRITE_TOKEN", "ours");
        assert!(setup.parse("verify").is_ok());
        let setup = verify(&["--alert=A", "--alert-url=ftp://h"]);
        assert!(error(&setup).starts_with("--alert-url 'ftp://h': "), "{}", error(&setup));
    }
}
