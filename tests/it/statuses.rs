//! What each status means for its datapoints and for the run: docs/protocol.md 3F, and exit
//! code 3. The receiver sees to it that nothing final is sent again (support/ledger.rs).

use crate::support::cmd::Cmd;
use crate::support::process::Run;
use crate::support::scripted_receiver::{Script, ScriptedReceiver};
use crate::support::side_by_side::side_by_side;
use crate::support::step::{Answer, Step};

fn answer(status: u16) -> Step {
    Answer::status(status).body(format!("text of {status}")).into()
}

#[test]
fn any_2xx_is_a_success() {
    side_by_side([200, 201, 202, 204, 205, 206, 226, 299], |status| {
        let body = if [204, 205].contains(&status) { "" } else { "ignore me" };
        let receiver = ScriptedReceiver::start(vec![Answer::status(status).body(body).into(); 10]);
        let run = Cmd::to(&receiver.url()).run();
        run.assert_all_delivered(&receiver);
        assert!(!run.stderr.contains("ignore me"), "{}", run.stderr);
        receiver.finish();
    });
}

#[test]
fn what_may_come_right_is_tried_again() {
    side_by_side([429, 500, 501, 502, 503, 504, 505, 507, 529, 599], |status| {
        let receiver = ScriptedReceiver::start([Step::status(204), answer(status)]);
        let run = Cmd::to(&receiver.url()).run();
        run.assert_all_delivered(&receiver);
        assert_eq!(run.summary().retries, 1);
        let log = run.log();
        let text = log.only("retry").get("message").text();
        assert!(text.contains(&format!("HTTP {status}")), "{text}");
        assert!(text.contains(&format!(": text of {status};")), "{text}");
        receiver.finish();
    });
}

/// The third of ten datapoints is rejected; the others are not.
#[track_caller]
fn check_rejected_later(status: u16, step: Step) -> Run {
    let receiver = ScriptedReceiver::start([Step::status(204), Step::status(204), step]);
    let run = Cmd::to(&receiver.url()).run();
    run.assert_ends(1, [9, 1, 0, 0, 0]);
    assert_eq!(run.summary().retries, 0);
    let log = run.log();
    let rejected = log.events("rejected");
    assert_eq!(rejected[0].get("status").number(), i64::from(status));
    let text = rejected[0].get("message").text();
    assert!(text.contains(&format!("text of {status}")), "{text}");
    let mut planned = run.planned();
    planned.remove(2);
    assert_eq!(receiver.stored(), planned);
    receiver.finish();
    run
}

#[test]
fn after_a_success_nothing_ends_the_run() {
    let final_ones = [400, 402, 406, 408, 409, 410, 411, 412, 413, 415, 422, 425, 428, 431];
    let fatal_at_first = [301, 308, 401, 403, 404, 405, 407];
    let statuses = final_ones.into_iter().chain([451, 499]).chain(fatal_at_first);
    side_by_side(statuses, |status| {
        let run = check_rejected_later(status, answer(status));
        let is_hinted = !fatal_at_first.contains(&status) || run.stderr.contains("Hint: ");
        assert!(is_hinted, "{}", run.stderr);
    });
}

#[test]
fn the_hint_of_a_401_names_the_variable_in_use() {
    let receiver = Script::new([answer(401)]).header("Authorization").start();
    let variables = format!("REMOTE_WRITE_URL={}\nREMOTE_WRITE_TOKEN=t\n", receiver.url());
    let sender = Cmd::to("").without("url").file("vars", &variables);
    let run = sender.flag("env-file", "vars").run();
    run.assert_code(3);
    let hint = "check REMOTE_WRITE_TOKEN in vars, and the tenant header";
    let hints = run.log().messages("hint").join("\n");
    assert!(hints.contains(hint), "{hints}");
    receiver.finish();
}

/// The first answer ends the run.
#[track_caller]
fn check_fatal(status: u16, hint: &str) {
    let location = Answer::status(status).header("Location", "https://other.example/x?db=b");
    let receiver = ScriptedReceiver::start([location.body(format!("text of {status}")).into()]);
    let run = Cmd::to(&receiver.url()).ticks(10, 60_000).run();
    run.assert_ends(3, [0, 1, 0, 0, 9]);
    assert_eq!(receiver.requests().len(), 1);
    let text = run.log().messages("rejected").join("\n");
    assert!(text.contains(&format!("HTTP {status}")), "{text}");
    assert!(status == 304 || text.contains(&format!("text of {status}")), "{text}");
    let hints = run.log().messages("hint").join("\n");
    assert!(hints.contains("Hint: ") && hints.contains(hint), "{hints}");
    assert!(status >= 400 || text.contains(" to https://other.example/x?db=b"), "{text}");
    receiver.finish();
}

#[test]
fn access_problems_and_redirects_end_the_run_at_its_start() {
    let cases = [
        (300, "redirects are not followed"),
        (301, "redirects are not followed"),
        (302, "redirects are not followed"),
        (303, "redirects are not followed"),
        (304, "redirects are not followed"),
        (307, "redirects are not followed"),
        (308, "redirects are not followed"),
        (401, "no credentials are set: set REMOTE_WRITE_TOKEN"),
        (401, "X-Scope-OrgID"),
        (403, "permission"),
        (404, "--web.enable-remote-write-receiver"),
        (404, "/api/v1/push"),
        (405, "path"),
        (407, "proxy"),
    ];
    side_by_side(cases, |(status, hint)| check_fatal(status, hint));
}

#[test]
fn three_rejections_in_a_row_end_the_run_at_its_start() {
    side_by_side([400, 402, 409, 413, 415, 422], |status| {
        let receiver = ScriptedReceiver::start([answer(status), answer(status), answer(status)]);
        let run = Cmd::to(&receiver.url()).run();
        run.assert_code(3);
        let counts = run.summary().counts();
        assert_eq!(counts[..2], [0, 3], "{}", run.stderr);
        assert_eq!(receiver.requests().len(), 3);
        receiver.finish();
    });
}

#[test]
fn two_rejections_in_a_row_do_not_end_the_run() {
    let steps =
        [answer(400), answer(422), Step::status(204), answer(400), answer(400), answer(400)];
    let receiver = ScriptedReceiver::start(steps);
    let run = Cmd::to(&receiver.url()).run();
    run.assert_ends(1, [5, 5, 0, 0, 0]);
}

#[test]
fn a_fatal_status_after_a_retry_is_as_fatal() {
    let receiver = ScriptedReceiver::start([Step::status(429), answer(401)]);
    let run = Cmd::to(&receiver.url()).run();
    run.assert_code(3);
    assert_eq!(run.summary().rejected, 1, "{}", run.stderr);
}

#[test]
fn a_refusal_after_silence_leaves_it_open() {
    // A refused request says nothing about the attempt before it.
    side_by_side([401, 403, 404], |status| {
        let receiver = Script::new([Step::Reset, answer(status)]).giving_up().start();
        let run = Cmd::to(&receiver.url()).run();
        run.assert_code(3);
        let [accepted, rejected, _, unconfirmed, _] = run.summary().counts();
        assert_eq!([accepted, rejected, unconfirmed], [0, 0, 1], "{}", run.stderr);
    });
}

#[test]
fn a_fallback_after_silence_leaves_it_open() {
    // The 2.0 message may have been stored before its answer was lost.
    for fallback in [400, 415] {
        let steps = [Step::Reset, Step::status(fallback), answer(400)];
        let receiver = Script::new(steps).unchecked().start();
        let run = Cmd::to(&receiver.url()).flag("protocol", "auto").run();
        run.assert_ends(1, [9, 0, 0, 1, 0]);
    }
}

#[test]
fn the_body_of_a_rejection_is_shown_on_one_line_as_far_as_it_is_text() {
    let body = b"out of order\nsample\t\x1b[31mred\xe2\x80\xae\0 \"quoted\" \\ caf\xe9 end\n";
    let receiver =
        ScriptedReceiver::start([Step::status(204), Answer::status(400).body(body).into()]);
    let run = Cmd::to(&receiver.url()).flag("log-format", "text").run();
    let line = run.stderr.lines().find(|line| line.contains("rejected: ")).unwrap();
    let shown =
        "out of order\\nsample\\t\\u{1b}[31mred\\u{202e}\\u{0} \"quoted\" \\ caf\u{fffd} end";
    assert!(line.ends_with(&format!("HTTP 400 Bad Request: {shown}")), "{line}");
}
