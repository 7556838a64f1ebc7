//! When something is missing: counted, named, and the printed commands send exactly that.

use crate::support::cmd::Cmd;
use crate::support::process::Run;
use crate::support::scripted_receiver::{Script, ScriptedReceiver};
use crate::support::side_by_side::side_by_side;
use crate::support::step::{Read, Step};

const OK: u16 = 204;

/// Runs what `run`, which had losses, printed, each command in a shell; then nothing is missing
/// any more.
#[track_caller]
fn check_printed(run: &Run, receiver: &ScriptedReceiver, command_count: usize) {
    run.assert_code(1);
    let summary = run.summary();
    assert_eq!(summary.commands.len(), command_count, "{summary:#?}");
    let printed = run.log().messages("missing").join("\n");
    for command in &summary.commands {
        assert!(printed.contains(command), "{command} in\n{printed}");
        let (stored_before, missing) = (receiver.stored().len(), summary.planned);
        receiver.next_run();
        let rerun = run.run_printed(command);
        rerun.assert_code(0);
        let sent = receiver.stored().len() - stored_before;
        assert!(sent > 0 && (sent as u64) < missing, "{sent} of {missing}");
    }
    // The receiver takes nothing that it has, so this is each of them once.
    assert_eq!(receiver.stored(), run.planned());
}

fn statuses(statuses: &[u16]) -> Vec<Step> {
    statuses.iter().map(|status| Step::status(*status)).collect()
}

#[test]
fn printed_commands_send_what_was_rejected() {
    let receiver = ScriptedReceiver::start(statuses(&[OK, OK, 400, OK, OK, 422, 400, OK, OK, 413]));
    let run = Cmd::to(&receiver.url()).run();
    assert_eq!(run.summary().counts(), [6, 4, 0, 0, 0]);
    check_printed(&run, &receiver, 3);
    receiver.finish();
}

#[test]
fn printed_commands_send_every_series_of_a_fan_out() {
    let receiver = ScriptedReceiver::start(statuses(&[OK, 400, 400, OK]));
    let sender = Cmd::to(&receiver.url()).flag("labels", "k={1..3}");
    let run = sender.and_flag("labels", "k=other").run();
    assert_eq!(run.summary().counts(), [32, 8, 0, 0, 0]);
    check_printed(&run, &receiver, 1);
    receiver.finish();
}

/// The second tick goes in three requests, of which one is accepted.
#[test]
fn of_a_tick_that_is_stored_in_part_only_the_rest_is_missing() {
    let receiver = ScriptedReceiver::start(statuses(&[OK, OK, OK, OK, 400, 400]));
    let sender = Cmd::to(&receiver.url()).flag("labels", "k={1..5}").flag("batch-size", "2");
    let run = sender.ticks(3, 20).run();
    run.assert_ends(1, [12, 3, 0, 0, 0]);
    assert_eq!(run.log().only("missing").get("count").number(), 3);
    run.assert_says("Not accepted: 3 datapoints from ");
    run.assert_says("; to send them, and the other 2 of the same ticks again:");
    receiver.finish();
}

/// Series, target, origin and secrets, whatever the shell would make of them.
#[test]
fn printed_commands_survive_the_shell() {
    let script = Script::new(statuses(&[OK, 400, OK]));
    let receiver = script.header("X-Scope-OrgID").header("Authorization").start();
    let help = "50% of $5; 'quoted' && \"more\" > /dev/null";
    let sender = Cmd::to(&receiver.url())
        .without("url")
        .file(".env", format!("REMOTE_WRITE_URL={}\nREMOTE_WRITE_TOKEN=t0ken\n", receiver.url()))
        .flag("labels", r#"k="it's $HOME, `id` \"x\" \\ !",l=~{1..2}*"#)
        .flag("description", help)
        .flag("header", "X-Scope-OrgID: a tenant's")
        .flag("trend-coefficient", "-0.5")
        .flag("seasonality", "00:00=1,12:00=-2.5")
        .flag("seed", "7")
        .flag("utc-offset", "-05:30")
        .flag("noise-std", "0.25")
        .flag("origin", "1700000000.5")
        .flag("interval", "250ms")
        .flag("duration", "1s")
        .flag("start-epoch", "1700000100");
    // The token was only found, and so is not for a header that was typed.
    let sender = sender.flag("env-file", ".env");
    let run = sender.run();
    assert_eq!(run.planned()[0].timestamp_ms, 1_700_000_100_000);
    check_printed(&run, &receiver, 1);
    for request in receiver.requests() {
        assert_eq!(request.content.metadata[0].help, help);
        assert_eq!(request.header("X-Scope-OrgID"), Some("a tenant's"));
        assert_eq!(request.header("Authorization"), Some("Bearer t0ken"));
    }
    receiver.finish();
}

#[test]
fn printed_commands_find_a_target_that_was_only_found() {
    let receiver = Script::new(statuses(&[OK, 400])).header("Authorization").start();
    let variables = format!("REMOTE_WRITE_URL={}\nREMOTE_WRITE_TOKEN=t0ken\n", receiver.url());
    let run = Cmd::to("").without("url").file(".env", variables).run();
    check_printed(&run, &receiver, 1);
    receiver.finish();
}

#[test]
fn ten_commands_are_printed_and_the_others_counted() {
    let receiver = ScriptedReceiver::start(statuses(&[OK, 400].repeat(12)));
    let run = Cmd::to(&receiver.url()).ticks(24, 10).run();
    run.assert_code(1);
    let summary = run.summary();
    assert_eq!((summary.commands.len(), summary.omitted_range_count), (10, 2));
    assert!(run.log().messages("more_missing")[0].contains("2 more ranges"));
}

#[test]
fn the_out_of_order_window_is_named_where_it_is_needed() {
    let word = "out_of_order_time_window";
    let receiver = ScriptedReceiver::start(statuses(&[OK, 400, OK]));
    let run = Cmd::to(&receiver.url()).run();
    assert!(run.log().messages("hint").join("").contains(word), "{}", run.stderr);
    let receiver = ScriptedReceiver::start(statuses(&[OK, OK, 400]));
    let run = Cmd::to(&receiver.url()).ticks(3, 20).run();
    assert!(!run.log().messages("hint").join("").contains(word), "{}", run.stderr);
}

#[test]
fn a_datapoint_is_given_up_at_its_age() {
    // Attempts at 0, about 0.5 and 0.6 s; then the next datapoint's time has come.
    let receiver = Script::new(statuses(&[OK, 429, 429, 429])).giving_up().start();
    let run = Cmd::to(&receiver.url()).flag("give-up-after", "600ms").run();
    assert_eq!(run.summary().counts(), [9, 0, 1, 0, 0], "{}", run.stderr);
    assert!(run.log().only("given_up").get("message").text().contains("429"));
    check_printed(&run, &receiver, 1);
    receiver.finish();
}

#[test]
fn a_datapoint_given_up_after_silence_is_unconfirmed() {
    let steps = [Step::status(OK), Step::Close(Read::All), Step::status(503), Step::status(503)];
    let receiver = Script::new(steps).giving_up().start();
    let run = Cmd::to(&receiver.url()).flag("give-up-after", "600ms").run();
    run.assert_ends(1, [9, 0, 0, 1, 0]);
    // Sent again as it is, it might be there twice.
    let commands = run.summary().commands;
    assert!(commands.len() == 1 && commands[0].starts_with("push-live-metrics verify "));
    receiver.finish();
}

#[test]
fn a_receiver_that_is_never_there_is_unreachable() {
    let is_busy = |step: &Step| step.seen_status() == 429;
    let steps = [Step::status(429), Step::status(503), Step::Close(Read::All)];
    side_by_side(steps, |otherwise| {
        let receiver = Script::new([]).giving_up().otherwise(otherwise.clone()).start();
        let sender = Cmd::to(&receiver.url()).flag("labels", "k={1..3}");
        let run = sender.flag("flush-timeout", "300ms").run();
        run.assert_code(4);
        let [accepted, rejected, undelivered, unconfirmed, not_yet_due] = run.summary().counts();
        assert_eq!([accepted, rejected, not_yet_due], [0, 0, 0], "{}", run.stderr);
        assert_eq!(undelivered + unconfirmed, 30);
        assert_eq!(unconfirmed > 0, !is_busy(&otherwise), "{}", run.stderr);
    });
}

#[test]
fn nobody_listening_is_unreachable() {
    let receiver = ScriptedReceiver::start([]);
    receiver.close();
    let run = Cmd::to(&receiver.url()).flag("flush-timeout", "200ms").run();
    run.assert_ends(4, [0, 0, 10, 0, 0]);
    receiver.open();
    let summary = run.summary();
    assert_eq!(summary.commands.len(), 1);
    run.run_printed(&summary.commands[0]).assert_code(0);
    assert_eq!(receiver.stored(), run.planned());
    receiver.finish();
}

#[test]
fn an_environment_whose_host_is_not_found_gets_the_names_of_those_that_are() {
    let sender = Cmd::to("").without("url").flag("env", "no-such-environment");
    let sender = sender.env("CDO_TOKEN", "t").flag("flush-timeout", "0s").flag("timeout", "1s");
    let run = sender.run();
    run.assert_ends(4, [0, 0, 10, 0, 0]);
    run.assert_says(" (--env 'no-such-environment' is not one of scale, staging, ci, us, eu)");
}

#[test]
fn the_closing_line_counts_datapoints_as_the_opening_one_does() {
    let receiver = ScriptedReceiver::start([]);
    let run = Cmd::to(&receiver.url()).flag("labels", "k={1..3}").run();
    run.assert_all_delivered(&receiver);
    let said = |event| run.log().only(event).get("message").text().to_owned();
    assert_eq!(said("generated"), "Generated 30 datapoints (10 for each of 3 series)");
    assert_eq!(said("end"), "Finished: all 30 datapoints pushed");
    receiver.finish();
}

#[test]
fn the_counts_add_up_in_words_too() {
    let receiver = ScriptedReceiver::start(statuses(&[OK, 400, 503]));
    let sender = Cmd::to(&receiver.url()).flag("log-format", "text");
    let run = sender.flag("labels", "k={1..3}").run();
    run.assert_code(1);
    let last = run.stderr.lines().last().unwrap();
    let sum = "Summary: 30 planned in 10 ticks of 3 series = 27 accepted + 3 rejected \
               + 0 undelivered + 0 unconfirmed + 0 not yet due; 1 retries";
    assert!(last.ends_with(sum), "{last}");
}

#[test]
fn quiet_says_nothing_when_all_went_well() {
    let receiver = ScriptedReceiver::start(statuses(&[503, OK, 503]));
    let run = Cmd::to(&receiver.url()).switch("quiet").run();
    run.assert_code(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    assert_eq!(receiver.stored().len(), 10);
}

#[test]
fn quiet_says_what_went_before_when_not_all_did() {
    let receiver = ScriptedReceiver::start(statuses(&[503, OK, 400]));
    let run = Cmd::to(&receiver.url()).switch("quiet").flag("log-format", "text").run();
    run.assert_code(1);
    let said = |text: &str| run.stderr.contains(text);
    assert!(said("HTTP 503") && said("HTTP 400") && said("9 accepted + 1 rejected"));
    assert!(!said("Pushed cpu") && !said("Origin"), "{}", run.stderr);
}

#[test]
fn quiet_keeps_the_last_lines_of_a_json_log_and_says_so_in_json() {
    let receiver = Script::new([Step::status(204)]).otherwise(Step::status(400)).start();
    let run = Cmd::to(&receiver.url()).ticks(300, 1).switch("quiet").run();
    run.assert_code(1);
    assert_eq!(run.summary().rejected, 299);
    assert_eq!(run.log().0[0].get("event").text(), "dropped");
}
