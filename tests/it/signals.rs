//! Signals, in each state that a run can be in: how soon it ends, and that its counts are right.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::support::cmd::Cmd;
use crate::support::fifo::Fifo;
use crate::support::process::{Run, Running, shell};
use crate::support::scripted_receiver::{BlackHole, Script, ScriptedReceiver, wait_for_connecting};
use crate::support::step::{Answer, Read, Step};
use crate::support::time::{now_ms, seconds};

const MS: Duration = Duration::from_millis(1);
/// What ends at once, or in two seconds, ends before this, however busy the machine is. How soon it
/// does is asserted on other clocks: clock.rs, hours.rs.
const LIMIT: Duration = Duration::from_secs(20);
/// For what the machine may have delayed.
const TRIES: u32 = 3;

/// Ends a run by a signal, in time.
#[track_caller]
fn end(running: Running, signal: &str) -> Run {
    let sent = running.signal(signal);
    let run = running.wait();
    run.assert_code(130);
    assert!(run.end - sent < LIMIT, "{:?}", run.end - sent);
    run
}

/// Returns a run that pushes once a minute, and so sleeps most of the time.
fn sleepy(url: &str) -> Cmd {
    Cmd::to(url).ticks(10, 60_000)
}

#[test]
fn a_signal_ends_a_run_that_sleeps() {
    for (signal, start, accepted) in
        [("INT", "", 1), ("TERM", "", 1), ("HUP", "", 1), ("INT", "4102444800", 0)]
    {
        let receiver = ScriptedReceiver::start([]);
        let sender = sleepy(&receiver.url());
        let sender = if start.is_empty() { sender } else { sender.flag("start-epoch", start) };
        let running = sender.start();
        running.wait_for_event("sleeping", 1);
        let run = end(running, signal);
        assert_eq!(run.summary().counts(), [accepted, 0, 0, 0, 10 - accepted], "{}", run.stderr);
        let end = run.log().messages("end").join("");
        assert_eq!(end, format!("Interrupted! Pushed {accepted}/10 datapoints"));
    }
}

#[test]
fn a_signal_ends_a_backoff() {
    let later = || Step::retry_after(429, "60");
    for (steps, counts) in [
        (vec![later()], [0, 0, 1, 0, 9]),
        // After silence it may be stored.
        (vec![Step::Close(Read::All), later()], [0, 0, 0, 1, 9]),
    ] {
        let count = steps.len();
        let receiver = ScriptedReceiver::start(steps);
        let running = sleepy(&receiver.url()).start();
        running.wait_for_event("retry", count);
        assert_eq!(end(running, "INT").summary().counts(), counts);
    }
}

#[test]
fn a_signal_ends_the_wait_for_an_answer() {
    // One that dribbles is waited for: what was accepted counts.
    let dribbling = Answer::status(204).paced(10, 20 * MS);
    for (step, counts) in [(Step::Stall, [0, 0, 0, 1, 9]), (dribbling.into(), [1, 0, 0, 0, 9])] {
        let receiver = ScriptedReceiver::start([step]);
        let running = sleepy(&receiver.url()).start();
        receiver.wait_for_requests(1);
        assert_eq!(end(running, "INT").summary().counts(), counts);
    }
}

#[test]
fn a_signal_ends_a_connect() {
    let hole = BlackHole::open();
    let running = sleepy(&hole.url()).start();
    wait_for_connecting(hole.address());
    let run = end(running, "INT");
    assert_eq!(run.summary().counts(), [0, 0, 1, 0, 9], "{}", run.stderr);
    assert_eq!(run.summary().commands.len(), 1);
}

#[test]
fn a_signal_in_a_connect_after_silence_leaves_it_unconfirmed() {
    let mut hole = BlackHole::with_a_backlog();
    let running = sleepy(&hole.url()).start();
    hole.swallow_a_request();
    wait_for_connecting(hole.address());
    let run = end(running, "INT");
    assert_eq!(run.summary().counts(), [0, 0, 0, 1, 9], "{}", run.stderr);
}

/// Interrupts a run that reads what is left of its window; of the ten datapoints three are due.
#[track_caller]
fn check_resuming(url: &str, wait_for_question: impl Fn(usize)) {
    for (count, format) in (1..).zip(["json", "text"]) {
        let start = seconds(now_ms() - 150_000);
        let sender = sleepy(url).switch("resume").flag("start-epoch", &start);
        let running = sender.flag("log-format", format).start();
        wait_for_question(count);
        let run = end(running, "TERM");
        run.assert_says("Interrupted! Pushed 0/10 datapoints");
        // The receiver may have them.
        run.assert_says("0 undelivered + 3 unconfirmed + 7 not yet due");
        if format == "json" {
            assert_eq!(run.summary().counts(), [0, 0, 0, 3, 7], "{}", run.stderr);
        }
    }
}

#[test]
fn a_signal_ends_the_reading_of_a_body() {
    let hole = BlackHole::open();
    check_resuming(&hole.url(), |_| wait_for_connecting(hole.address()));
    for step in [Step::Stall, Step::retry_after(503, "60")] {
        let receiver = Script::new([]).unchecked().otherwise(step).start();
        check_resuming(&receiver.url(), |count| receiver.wait_for_requests(count));
    }
}

#[test]
fn a_signal_ends_a_run_that_catches_up() {
    // A thousand datapoints are due; each of them takes a while.
    let slow = Answer::status(204).paced(10, 5 * MS);
    let receiver = Script::new([]).otherwise(slow).start();
    let sender = Cmd::to(&receiver.url()).ticks(100_000, 20);
    let running = sender.flag("start-epoch", seconds(now_ms() - 20_000)).start();
    receiver.wait_for_requests(5);
    let run = end(running, "INT");
    let summary = run.summary();
    let settled = summary.accepted + summary.undelivered;
    assert!(summary.accepted >= 5 && settled >= 1000, "{summary:?}");
    assert_eq!(summary.rejected + summary.unconfirmed, 0);
}

#[test]
fn a_signal_between_quick_datapoints_counts_right() {
    let receiver = ScriptedReceiver::start([]);
    let running = Cmd::to(&receiver.url()).ticks(80, 100).starting_now().start();
    receiver.wait_for_requests(5);
    let run = end(running, "INT");
    let summary = run.summary();
    assert_eq!(summary.accepted, receiver.stored().len() as u64);
    assert!(summary.accepted >= 5 && summary.not_yet_due > 0, "{summary:?}");
    // What it prints goes on where it ended, and to the end.
    assert_eq!(summary.commands.len(), 1);
    receiver.next_run();
    run.run_printed(&summary.commands[0]).assert_code(0);
    assert_eq!(receiver.stored(), run.planned());
    receiver.finish();
}

/// Signals a run twice while something keeps it from ending by itself.
#[track_caller]
fn signal_twice(running: Running, signals: [&str; 2], pause: &str) -> Run {
    // By one shell, so that nothing but the pause lies between them.
    let [first, second] = signals.map(|name| format!("kill -{name} {}", running.pid()));
    assert!(shell(&format!("{first}; {pause} {second}")).status().unwrap().success());
    let run = running.wait();
    run.assert_code(130);
    run
}

#[test]
fn a_signal_that_comes_twice_at_once_is_one() {
    // As a closing terminal sends it.
    for signals in [["TERM", "TERM"], ["HUP", "HUP"], ["HUP", "TERM"]] {
        let receiver = ScriptedReceiver::start([Step::Stall]);
        let running = sleepy(&receiver.url()).start();
        receiver.wait_for_requests(1);
        let run = signal_twice(running, signals, "");
        assert_eq!(run.summary().counts(), [0, 0, 0, 1, 9], "{}", run.stderr);
    }
}

#[test]
fn timeout_leaves_a_summary() {
    // It signals the process, and then its group: two signals, or one where it is quick.
    let receivers = [(); 12].map(|()| ScriptedReceiver::start([Step::Stall]));
    let timeout = r#"exec timeout 3 "$0" "$@""#;
    let start = |receiver: &ScriptedReceiver| sleepy(&receiver.url()).shell(timeout).start();
    for run in receivers.each_ref().map(start).map(Running::wait) {
        run.assert_ends(124, [0, 0, 0, 1, 9]);
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let hole = BlackHole::open();
    for second in ["INT", "TERM", "HUP"] {
        // A machine that does other things too may deliver the first one late.
        let is_ended_at_once = || {
            let running = sleepy(&hole.url()).start();
            wait_for_connecting(hole.address());
            let run = signal_twice(running, ["INT", second], "sleep 1;");
            // After the first alone it waits for the connection, and then counts.
            run.log().events("summary").is_empty()
        };
        assert!((0..TRIES).any(|_| is_ended_at_once()), "a second {second}");
    }
}

#[test]
fn under_nohup_it_outlives_the_terminal_and_another_signal_still_ends_it() {
    let receiver = ScriptedReceiver::start([]);
    let sender = Cmd::to(&receiver.url()).ticks(30, 20);
    let running = sender.shell(r#"trap '' HUP; exec "$0" "$@""#).start();
    receiver.wait_for_requests(3);
    running.signal("HUP");
    running.wait().assert_all_delivered(&receiver);
    let receiver = ScriptedReceiver::start([]);
    let running = sleepy(&receiver.url()).shell(r#"exec nohup "$0" "$@""#).start();
    running.wait_for_event("sleeping", 1);
    running.signal("TERM");
    let run = running.wait();
    assert!([130, -15].contains(&run.code), "{}", run.code);
}

#[test]
fn after_a_stop_everything_due_goes_out_oldest_first() {
    let receiver = ScriptedReceiver::start([]);
    let running = Cmd::to(&receiver.url()).ticks(40, 100).starting_now().start();
    receiver.wait_for_requests(3);
    running.signal("STOP");
    // The stop itself is what takes time here: ten datapoints come due.
    let count = receiver.requests().len();
    thread::sleep(1000 * MS);
    assert!(receiver.requests().len() <= count + 1, "it was stopped");
    running.signal("CONT");
    running.wait().assert_all_delivered(&receiver);
    receiver.finish();
}

#[test]
fn a_stop_during_a_request_loses_nothing() {
    let receiver = ScriptedReceiver::start([Step::status(204), Step::Stall]);
    let running = Cmd::to(&receiver.url()).ticks(40, 20).flag("timeout", "2s").start();
    receiver.wait_for_requests(2);
    running.signal("STOP");
    thread::sleep(200 * MS);
    running.signal("CONT");
    running.wait().assert_all_delivered(&receiver);
    receiver.finish();
}

/// Runs ten datapoints with this redirection, by a shell.
#[track_caller]
fn check_redirected(redirection: &str) {
    let receiver = ScriptedReceiver::start([Step::status(204), Step::status(503)]);
    let sender = Cmd::to(&receiver.url());
    let code = sender.folder().join("code");
    let script = format!(r#"{{ "$0" "$@"; echo $? >'{}'; }} {redirection}"#, code.display());
    let run = sender.shell(&script).run();
    assert_eq!(fs::read_to_string(&code).unwrap().trim(), "0", "{}", run.stderr);
    assert_eq!(receiver.stored().len(), 10);
    receiver.finish();
}

#[test]
fn nobody_to_read_its_log_loses_nothing() {
    check_redirected("2>&1 | true");
    check_redirected("2>&1 | head -n 3");
    check_redirected(">&- 2>&-");
    check_redirected(">/dev/full 2>/dev/full");
}

/// Ends a run by one signal when nobody has read its log any more from some moment on.
#[track_caller]
fn check_unread_log(sender: Cmd, until: impl FnOnce(&Running, &mut Fifo)) {
    let path = sender.folder().join("log");
    let mut log = Fifo::at(&path);
    let running = sender.shell(&format!(r#"exec "$0" "$@" 2>'{}'"#, path.display())).start();
    until(&running, &mut log);
    log.fill();
    end(running, "TERM");
}

#[test]
fn a_log_that_nobody_reads_does_not_keep_it_from_ending() {
    // In the write of a line, with the log's lock held.
    let receiver = ScriptedReceiver::start([]);
    check_unread_log(sleepy(&receiver.url()), |running, log| {
        log.fill();
        running.wait_for_handler();
    });
    // Sleeping and backing off: the summary is what it gets stuck in, with the counts held.
    check_unread_log(sleepy(&receiver.url()), |_, log| log.wait_for("sleeping"));
    let receiver = ScriptedReceiver::start([Step::retry_after(503, "60")]);
    check_unread_log(sleepy(&receiver.url()), |_, log| log.wait_for("retry"));
    // In a request, and in a connect.
    let receiver = ScriptedReceiver::start([Step::Stall]);
    check_unread_log(sleepy(&receiver.url()), |_, _| receiver.wait_for_requests(1));
    let hole = BlackHole::open();
    check_unread_log(sleepy(&hole.url()), |_, _| wait_for_connecting(hole.address()));
}
