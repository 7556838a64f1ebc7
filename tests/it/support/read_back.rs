//! How receivers are asked and what they answer: one HTTP request at a time, and just
//! enough of Prometheus's JSON and VictoriaMetrics' CSV to read samples.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);

/// Sends one request and returns status and body. HTTP/1.0, so that the answer is neither
/// chunked nor kept alive.
pub(super) fn exchange(
    address: SocketAddr,
    request: &str,
    headers: &[&str],
    body: &[u8],
) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let mut head =
        format!("{request} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {}\r\n", body.len());
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    stream.write_all(&[head.as_bytes(), b"\r\n", body].concat())?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    let (head, body) = response.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .ok_or(io::ErrorKind::InvalidData)?;
    Ok((status, body.to_owned()))
}

/// Encodes `text` for a query string.
pub(super) fn percent_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Reads the samples out of Prometheus's answer: none, or one series'.
pub(super) fn parse_matrix(json: &str) -> Option<Vec<(i64, f64)>> {
    // Inside a label's value the quotes would be escaped.
    let mut series = json.split("\"values\":[");
    let before = series.next()?;
    let Some(values) = series.next() else {
        return before.contains("\"result\":[]").then(Vec::new);
    };
    assert!(series.next().is_none(), "the selector fits more than one series");
    // [1700000000.123,"1.5"],[1700000060.123,"+Inf"]]}...
    let (values, _) = values.split_once("]]")?;
    values.split("],").map(|pair| parse_pair(pair.trim_start_matches('['))).collect()
}

fn parse_pair(pair: &str) -> Option<(i64, f64)> {
    let (seconds, value) = pair.split_once(',')?;
    Some((parse_seconds(seconds)?, value.trim_matches('"').parse().ok()?))
}

/// Reads `1700000000`, `1700000000.5` or `1700000000.123` as milliseconds, without a float.
fn parse_seconds(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{fraction:0<3}").parse().ok()
}

/// Reads `timestamp_ms,value` lines; newer versions put a header line first.
pub(super) fn parse_csv(csv: &str) -> Option<Vec<(i64, f64)>> {
    let rows = csv.lines().filter(|line| !line.starts_with("__timestamp__"));
    rows.map(|line| {
        let (timestamp_ms, value) = line.split_once(',')?;
        Some((timestamp_ms.parse().ok()?, value.parse().ok()?))
    })
    .collect()
}

#[test]
fn reads_what_receivers_print() {
    let json = concat!(
        r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":"#,
        r#"{"a":"\"values\":["},"values":[[1700000000,"1"],[1700000000.5,"-0.1"],"#,
        r#"[1700000000.123,"+Inf"]]}]}}"#
    );
    let expected = vec![
        (1_700_000_000_000, 1.0),
        (1_700_000_000_500, -0.1),
        (1_700_000_000_123, f64::INFINITY),
    ];
    assert_eq!(parse_matrix(json), Some(expected));
    assert_eq!(parse_matrix(r#"{"data":{"resultType":"matrix","result":[]}}"#), Some(vec![]));
    assert_eq!(parse_matrix("oops"), None);
    assert_eq!(
        parse_csv("__timestamp__:unix_ms,__value__\n1700000000123,2.5\n"),
        Some(vec![(1_700_000_000_123, 2.5)])
    );
    assert_eq!(parse_csv("1700000000123;2.5\n"), None);
}
