//! The receiver of `make bench`: reads requests, answers 204, and remembers when each one came.
//!
//! It ignores bodies, so that it is faster than any sender. Prints its port, serves until its stdin
//! is closed, and then prints the size of all bodies together and, one a line, the time at which
//! each request had arrived whole (nanoseconds since the Unix epoch).

#![allow(clippy::disallowed_methods, reason = "a program of its own")]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::SystemTime;

/// More than the largest body that a sender of 2,000 samples makes.
const BUFFER_BYTES: usize = 256 * 1024;

#[derive(Default)]
struct Seen {
    body_bytes: u64,
    arrivals_ns: Vec<u128>,
}

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut stdout = io::stdout();
    writeln!(stdout, "{}", listener.local_addr()?.port())?;
    stdout.flush()?;

    let seen = Arc::new(Mutex::new(Seen::default()));
    let shared = Arc::clone(&seen);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let seen = Arc::clone(&shared);
            // A connection that breaks off is its sender's affair, and shows in the count.
            thread::spawn(move || serve(&stream, &seen));
        }
    });

    io::copy(&mut io::stdin(), &mut io::sink())?;
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    writeln!(stdout, "{}", seen.body_bytes)?;
    seen.arrivals_ns.iter().try_for_each(|arrival_ns| writeln!(stdout, "{arrival_ns}"))
}

fn serve(stream: &TcpStream, seen: &Mutex<Seen>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(BUFFER_BYTES, stream);
    let mut writer = stream;
    while let Some(body_bytes) = head(&mut reader)? {
        io::copy(&mut reader.by_ref().take(body_bytes), &mut io::sink())?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.body_bytes += body_bytes;
        seen.arrivals_ns.push(now.map_or(0, |since| since.as_nanos()));
        drop(seen);
        // What Prometheus 3 says, so that a sender of 2.0 is content.
        writer.write_all(
            b"HTTP/1.1 204 No Content\r\nX-Prometheus-Remote-Write-Samples-Written: 2000\r\n\r\n",
        )?;
    }
    Ok(())
}

/// Reads a request's head; returns the length of its body, `None` at the end.
fn head(reader: &mut impl BufRead) -> io::Result<Option<u64>> {
    let mut body_bytes = 0;
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&line);
        match text.trim_end().split_once(':') {
            _ if text.trim_end().is_empty() => return Ok(Some(body_bytes)),
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                body_bytes = value.trim().parse().map_err(io::Error::other)?;
            }
            _ => {}
        }
    }
}
