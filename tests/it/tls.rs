//! TLS against a server made of the rustls that is in the tree already: each case ends in
//! success or in one clear line; problems with certificates end a run at once with exit 3.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::certificates::{Certificates, certificates};
use crate::support::cmd::Cmd;
use crate::support::process::Run;
use crate::support::scripted_receiver::{Script, ScriptedReceiver};
use crate::support::serving::{Stream, Wrap};
use crate::support::step::{Answer, Step, Then};

/// Speaks TLS on a socket; the settings of each connection in turn, then the last ones.
fn tls(configs: Vec<Arc<ServerConfig>>) -> Wrap {
    let count = AtomicUsize::new(0);
    Arc::new(move |mut socket: TcpStream| {
        let index = count.fetch_add(1, Ordering::Relaxed).min(configs.len() - 1);
        let connection = ServerConnection::new(Arc::clone(&configs[index]));
        let mut connection = connection.map_err(io::Error::other)?;
        while connection.is_handshaking() {
            if let Err(error) = connection.complete_io(&mut socket) {
                // Closed with bytes unread, the socket would take the alert back.
                let _ = socket.shutdown(Shutdown::Write);
                let _ = io::copy(&mut socket, &mut io::sink());
                return Err(error);
            }
        }
        Ok(Box::new(StreamOwned::new(connection, socket)) as Box<dyn Stream>)
    })
}

/// Returns a receiver with this certificate.
fn receiver(certificates: &Certificates, name: &str) -> ScriptedReceiver {
    Script::new([]).wrapped(tls(vec![certificates.server(name, None, &[&TLS12, &TLS13])])).start()
}

fn sender(receiver: &ScriptedReceiver, certificates: &Certificates) -> Cmd {
    Cmd::to(&receiver.url()).flag("ca-file", certificates.typed("ca.pem"))
}

/// Ends at once with exit 3, after one line with this text.
#[track_caller]
fn check_refused(receiver: &ScriptedReceiver, sender: Cmd, text: &str) -> Run {
    let run = sender.ticks(10, 60_000).run();
    run.assert_ends(3, [0, 0, 1, 0, 9]);
    let log = run.log();
    let message = log.only("refused").get("message").text();
    assert!(message.contains(text), "{message}");
    let peer = receiver.address().to_string();
    assert!(message.contains(&format!(": {peer}: ")), "{peer} in {message}");
    assert!(log.events("retry").is_empty());
    assert_eq!(receiver.requests().len(), 0);
    run
}

/// Ends with exit 2 and one line with these texts, before anything is tried.
#[track_caller]
fn check_unusable(sender: Cmd, texts: &[&str]) {
    let run = sender.run();
    run.assert_code(2);
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    assert_eq!(run.stdout, "");
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    assert!(texts.iter().all(|text| run.stderr.contains(text)), "{}", run.stderr);
}

#[test]
fn an_own_authority_is_trusted() {
    let Some(certificates) = certificates() else { return };
    let bundle = [certificates.content("other-ca.pem"), certificates.content("ca.pem")].concat();
    // By each way to name it, and among others, by name.
    let ways: [&dyn Fn(Cmd) -> Cmd; 3] = [
        &|cmd| cmd.flag("ca-file", certificates.typed("ca.pem")),
        &|cmd| cmd.env("SSL_CERT_FILE", certificates.typed("ca.pem")),
        &|cmd| {
            let cmd = cmd.file("bundle.pem", format!("# a comment\n{bundle}"));
            cmd.flag("ca-file", "bundle.pem")
        },
    ];
    for (way, host) in ways.into_iter().zip(["127.0.0.1", "127.0.0.1", "localhost"]) {
        let receiver = receiver(certificates, "server");
        let run = way(Cmd::to(&receiver.url().replace("127.0.0.1", host))).run();
        run.assert_all_delivered(&receiver);
        receiver.finish();
    }
}

#[test]
fn a_certificate_that_cannot_be_trusted_is_refused_with_the_reason() {
    let Some(certificates) = certificates() else { return };
    for (name, authority, text) in [
        ("server", "", "an issuer that is not trusted"),
        ("server", "other-ca.pem", "an issuer that is not trusted"),
        ("expired", "ca.pem", "certificate expired: "),
        ("not-yet", "ca.pem", "certificate is not valid yet: "),
        ("elsewhere", "ca.pem", "for another name: elsewhere.example"),
    ] {
        let receiver = receiver(certificates, name);
        let host = "/etc/ssl/certs/ca-certificates.crt";
        if authority.is_empty() {
            let run = check_refused(&receiver, Cmd::to(&receiver.url()), text);
            let is_hinted = run.stderr.contains(&format!("--ca-file {host}"));
            assert_eq!(is_hinted, std::path::Path::new(host).is_file(), "{}", run.stderr);
        } else {
            let sender = Cmd::to(&receiver.url()).flag("ca-file", certificates.typed(authority));
            check_refused(&receiver, sender, text);
        }
    }
}

/// What plain `openssl req -x509` makes is an authority's, and the message has the command that
/// makes one that works.
#[test]
fn a_certificate_that_signed_itself_is_refused() {
    let Some(certificates) = certificates() else { return };
    let receiver = receiver(certificates, "ca");
    let run = check_refused(&receiver, sender(&receiver, certificates), "CA:TRUE");
    let (_, command) = run.stderr.split_once("with: openssl ").unwrap();
    let (command, _) = command.split_once(" (IP").unwrap();
    let command = command.replace("DNS:HOST", &format!("IP:{}", receiver.address().ip()));
    certificates.openssl(&command.replace("key.pem", "own.key").replace("cert.pem", "own.pem"));
    let receiver = self::receiver(certificates, "own");
    let sender = Cmd::to(&receiver.url()).flag("ca-file", certificates.typed("own.pem"));
    sender.run().assert_all_delivered(&receiver);
}

#[test]
fn any_certificate_is_taken_when_asked() {
    let Some(certificates) = certificates() else { return };
    for name in ["expired", "elsewhere", "server"] {
        let receiver = receiver(certificates, name);
        let run = Cmd::to(&receiver.url()).switch("insecure-skip-verify").run();
        run.assert_all_delivered(&receiver);
        let warnings = run.log().messages("config").join("\n");
        assert!(warnings.contains("--insecure-skip-verify"), "{warnings}");
    }
}

#[test]
fn each_version_is_spoken_alone() {
    let Some(certificates) = certificates() else { return };
    for version in [&TLS12, &TLS13] {
        let config = certificates.server("server", None, &[version]);
        let receiver = Script::new([]).wrapped(tls(vec![config])).start();
        sender(&receiver, certificates).run().assert_all_delivered(&receiver);
    }
}

#[test]
fn a_client_certificate_that_is_required_is_shown() {
    let Some(certificates) = certificates() else { return };
    for version in [&TLS12, &TLS13] {
        let config = certificates.server("server", Some("ca"), &[version]);
        let receiver = Script::new([]).wrapped(tls(vec![config])).start();
        let with = |name: &str| {
            sender(&receiver, certificates)
                .flag("client-cert", certificates.typed(&format!("{name}.pem")))
                .flag("client-key", certificates.typed(&format!("{name}.key")))
        };
        check_refused(&receiver, sender(&receiver, certificates), "asks for a client certificate");
        // Signed by another authority, and not made for clients.
        check_refused(&receiver, with("other-client"), "does not accept our client certificate");
        check_refused(&receiver, with("server"), "our client certificate");
        with("client").run().assert_all_delivered(&receiver);
    }
}

#[test]
fn a_certificate_that_goes_bad_for_a_while_is_not_fatal() {
    // Once something was accepted, the run goes on until it is good again.
    let Some(certificates) = certificates() else { return };
    let config = |name| certificates.server(name, None, &[&TLS13]);
    let configs = vec![config("server"), config("expired"), config("server")];
    // Announced, so that no attempt meets a connection that is about to end.
    let close = Answer::status(204).header("Connection", "close").then(Then::Close);
    let script = Script::new([close.into()]).wrapped(tls(configs));
    let receiver = script.allow(|allowed| allowed.unseen_attempts = true).start();
    let run = sender(&receiver, certificates).run();
    run.assert_all_delivered(&receiver);
    assert!(run.log().only("retry").get("message").text().contains("expired"));
}

/// A stream that writes its first answer as bytes that are no TLS.
struct Corrupting {
    inner: Box<dyn Stream>,
    socket: TcpStream,
    is_first: Arc<AtomicBool>,
}

impl io::Read for Corrupting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer)
    }
}

impl io::Write for Corrupting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.is_first.swap(false, Ordering::Relaxed) {
            // A record of application data that nobody has encrypted.
            true => self.socket.write_all(b"\x17\x03\x03\x00\x20garbage garbage garbage garbage!"),
            false => return self.inner.write(bytes),
        }?;
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[test]
fn a_corrupt_record_after_the_body_leaves_it_open() {
    // The request was read, and its samples may be stored.
    let Some(certificates) = certificates() else { return };
    let wrap = tls(vec![certificates.server("server", None, &[&TLS12, &TLS13])]);
    let is_first = Arc::new(AtomicBool::new(true));
    let corrupting: Wrap = Arc::new(move |socket: TcpStream| {
        let (clone, is_first) = (socket.try_clone()?, Arc::clone(&is_first));
        Ok(Box::new(Corrupting { inner: wrap(socket)?, socket: clone, is_first })
            as Box<dyn Stream>)
    });
    let receiver = Script::new([Step::status(503), Step::status(400)]).wrapped(corrupting).start();
    let run = sender(&receiver, certificates).run();
    run.assert_ends(1, [9, 0, 0, 1, 0]);
}

#[test]
fn a_success_with_a_short_body_keeps_the_connection() {
    let Some(certificates) = certificates() else { return };
    for answer in [Answer::status(200).body("ok"), Answer::status(200).body("ok").chunked()] {
        let config = certificates.server("server", None, &[&TLS13]);
        let receiver = Script::new([]).otherwise(answer).wrapped(tls(vec![config])).start();
        sender(&receiver, certificates).ticks(200, 20).run().assert_all_delivered(&receiver);
        assert_eq!(receiver.connection_count(), 1);
    }
}

/// Returns a receiver that says this in the place of a handshake.
fn saying(bytes: &'static [u8]) -> ScriptedReceiver {
    let wrap: Wrap = Arc::new(move |mut socket: TcpStream| {
        io::Write::write_all(&mut socket, bytes)?;
        if !bytes.is_empty() {
            socket.shutdown(Shutdown::Write)?;
        }
        let _ = io::copy(&mut socket, &mut io::sink());
        Err(io::ErrorKind::InvalidData.into())
    });
    Script::new([]).wrapped(wrap).start()
}

/// Whoever speaks another protocol may do better later.
#[test]
fn a_receiver_that_speaks_no_tls_or_another_one_is_unreachable() {
    let check = |receiver: &ScriptedReceiver, url: &str, text: &str| {
        let run = Cmd::to(url).flag("flush-timeout", "100ms").flag("timeout", "2s").run();
        run.assert_code(4).assert_says(text);
        let [accepted, rejected, undelivered, unconfirmed, _] = run.summary().counts();
        // What went out in the clear may have been understood.
        let is_plain = u64::from(url.starts_with("http:"));
        assert_eq!([accepted, rejected, undelivered], [0, 0, 10 - is_plain]);
        assert_eq!((unconfirmed, receiver.requests().len()), (is_plain, 0));
    };
    // A fatal alert, protocol_version.
    let other_version = saying(&[21, 3, 3, 0, 2, 2, 70]);
    check(&other_version, &other_version.url(), "no version or cipher of TLS in common");
    // As a server does that takes the first bytes for a bad request.
    let plain = saying(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    check(&plain, &plain.url(), "");
    let silent = Script::new([]).unchecked().start();
    check(&silent, &silent.url().replace("http://", "https://"), "");
    let Some(certificates) = certificates() else { return };
    let receiver = receiver(certificates, "server");
    check(&receiver, &receiver.url().replace("https://", "http://"), "");
}

#[test]
fn a_signal_ends_a_handshake() {
    let receiver = saying(b"");
    let running = Cmd::to(&receiver.url()).ticks(10, 60_000).start();
    receiver.wait_for_connections(1);
    let sent = running.signal("INT");
    let run = running.wait();
    run.assert_code(130);
    assert!(run.end - sent < Duration::from_secs(20), "{:?}", run.end - sent);
    let [accepted, rejected, undelivered, unconfirmed, not_yet_due] = run.summary().counts();
    assert_eq!([accepted, rejected, not_yet_due], [0, 0, 9], "{}", run.stderr);
    assert_eq!(undelivered + unconfirmed, 1);
}

#[test]
fn unusable_files_are_named() {
    let Some(certificates) = certificates() else { return };
    let https = || Cmd::to("https://127.0.0.1:9/");
    let with = |cert: &str, key: &str| https().flag("client-cert", cert).flag("client-key", key);
    let (cert, key) = (certificates.typed("client.pem"), certificates.typed("client.key"));
    let folder = certificates.folder().to_str().unwrap();
    check_unusable(https().flag("ca-file", "no-such.pem"), &["no-such.pem"]);
    check_unusable(https().flag("ca-file", folder), &[folder]);
    check_unusable(https().flag("ca-file", &key), &[&key, "no certificate"]);
    check_unusable(with("no-such.pem", &key), &["no-such.pem"]);
    check_unusable(with(&cert, "no-such.key"), &["no-such.key"]);
    check_unusable(with(&cert, &cert), &[&cert, "no unencrypted private key"]);
    check_unusable(with(&key, &key), &[&key, "no certificate"]);
    let encrypted = certificates.typed("encrypted.key");
    check_unusable(with(&cert, &encrypted), &[&encrypted, "no unencrypted private key"]);
    let garbage = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
    for (garbage, text) in
        [("", "no certificate"), ("garbage", "no certificate"), (garbage, "is not PEM; ")]
    {
        let sender = https().file("bad.pem", garbage).flag("ca-file", "bad.pem");
        check_unusable(sender, &["'bad.pem'", text]);
    }
}

/// Base64 that is no certificate, and a key of another certificate.
#[test]
fn files_that_look_right_and_are_not_are_named() {
    let Some(certificates) = certificates() else { return };
    let receiver = receiver(certificates, "server");
    let hollow = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let sender = || sender(&receiver, certificates).file("hollow.pem", hollow);
    let run = sender().flag("ca-file", "hollow.pem").run();
    assert!([2, 3].contains(&run.code), "{} {}", run.code, run.stderr);
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    let sender = sender().flag("client-cert", certificates.typed("client.pem"));
    let sender = sender.flag("client-key", certificates.typed("server.key"));
    let run = sender.run();
    run.assert_code(2);
    assert_eq!(run.stderr.matches(r#""error":"--client-key: "#).count(), 1, "{}", run.stderr);
    assert_eq!(receiver.requests().len(), 0);
}
