//! Just enough HTTP to hand messages on: where one ends, and its status. Changes no byte.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use super::POLL;

/// No exchange with the receiver takes longer.
const UPSTREAM_TIMEOUT: Duration = Duration::from_secs(10);

/// Waits for a whole request and returns it and where its body begins, without reading it.
pub(super) fn peek_request(stream: &TcpStream) -> io::Result<(Vec<u8>, usize)> {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let count = stream.peek(&mut bytes)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some((body_start, end)) = extent(&bytes[..count])
            && end <= count
        {
            bytes.truncate(end);
            return Ok((bytes, body_start));
        }
        thread::sleep(POLL);
    }
}

/// Returns where the body of a message begins and ends, once its head is there.
fn extent(bytes: &[u8]) -> Option<(usize, usize)> {
    let body_start = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..body_start]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    // 204 has none.
    let length: usize = length.map_or(Some(0), |length| length.trim().parse().ok())?;
    Some((body_start, body_start + length))
}

pub(super) fn exchange(upstream: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&upstream, UPSTREAM_TIMEOUT)?;
    stream.set_read_timeout(Some(UPSTREAM_TIMEOUT))?;
    stream.set_nodelay(true)?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    let mut bytes = [0; 4096];
    loop {
        let count = stream.read(&mut bytes)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(&bytes[..count]);
        if extent(&answer).is_some_and(|(_, end)| answer.len() >= end) {
            return Ok(answer);
        }
    }
}

/// Returns the status of an answer: `HTTP/1.1 204 ...`.
pub(super) fn status_of(answer: &[u8]) -> Option<u16> {
    std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()
}

/// Returns what a sender sees of an answer: its status, and how many samples were written. For
/// that its head is enough.
pub(super) fn seen(answer: &[u8]) -> (Option<u16>, Option<u64>) {
    if extent(answer).is_none() {
        return (None, None);
    }
    let text = String::from_utf8_lossy(answer).to_ascii_lowercase();
    let header = "x-prometheus-remote-write-samples-written:";
    let written = text.lines().find_map(|line| line.strip_prefix(header));
    (status_of(answer), written.and_then(|count| count.trim().parse().ok()))
}

pub(super) fn response(status: u16, retry_after: Option<&str>) -> Vec<u8> {
    let retry_after =
        retry_after.map_or(String::new(), |value| format!("Retry-After: {value}\r\n"));
    format!("HTTP/1.1 {status} Chaos\r\n{retry_after}Content-Length: 6\r\n\r\nchaos\n").into_bytes()
}

/// Returns an answer as a gateway hands it on that keeps no header it does not know.
pub(super) fn without_written(answer: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(answer);
    let lines = text.split_inclusive("\r\n");
    let kept = lines.filter(|line| !line.to_ascii_lowercase().contains("-written:"));
    kept.collect::<String>().into_bytes()
}
