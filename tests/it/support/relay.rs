//! A proxy in front of a real receiver that loses what it is told to lose.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// Longer than a receiver ever takes; a connection that idles ends with its test.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is passed on, and so is its answer.
    None,
    /// It is read and never passed on; the connection ends.
    LoseRequest,
    /// It is passed on, and the connection ends in place of its answer.
    LoseAnswer,
}

/// Starts a proxy to `upstream` and returns its address; `fault` decides by the number of the
/// request, counted from 0. It serves one connection at a time, and ends with the process.
pub(crate) fn start(
    upstream: SocketAddr,
    mut fault: impl FnMut(usize) -> Fault + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port on loopback");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        let mut count = 0;
        for stream in listener.incoming().flatten() {
            // The sender going is the usual end of a connection.
            let _ = serve(&stream, upstream, &mut fault, &mut count);
        }
    });
    address
}

fn serve(
    sender: &TcpStream,
    upstream: SocketAddr,
    fault: &mut impl FnMut(usize) -> Fault,
    count: &mut usize,
) -> io::Result<()> {
    sender.set_read_timeout(Some(TIMEOUT))?;
    let receiver = TcpStream::connect(upstream)?;
    receiver.set_read_timeout(Some(TIMEOUT))?;
    let (mut requests, mut answers) = (BufReader::new(sender), BufReader::new(&receiver));
    loop {
        let request = message(&mut requests)?;
        let fault = fault(*count);
        *count += 1;
        if fault == Fault::LoseRequest {
            return Ok(());
        }
        (&receiver).write_all(&request)?;
        let answer = message(&mut answers)?;
        if fault == Fault::LoseAnswer {
            return Ok(());
        }
        { sender }.write_all(&answer)?;
    }
}

/// Reads a head and as much body as it says.
fn message(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut message = Vec::new();
    let mut length = 0;
    loop {
        let start = message.len();
        if from.read_until(b'\n', &mut message)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = String::from_utf8_lossy(&message[start..]).to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(|_| io::ErrorKind::InvalidData)?;
        }
        if line == "\r\n" {
            break;
        }
    }
    from.take(length).read_to_end(&mut message)?;
    Ok(message)
}
