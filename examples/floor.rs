//! The floors of `make bench`: the unavoidable part of a task, done alone.
//!
//! Usage: floor push ADDRESS COUNT BODY_BYTES    POSTs by a bare socket; prints nothing
//!        floor post ADDRESS FLAGS...            the ready requests of a backfill, one connection;
//!                                               prints the nanoseconds that this took
//!        floor text FLAGS...                    values generated, and printed by Display
//!        floor snap FLAGS...                    values generated, ready messages compressed
//!
//! FLAGS are those of push-live-metrics. `text` and `snap` print the nanoseconds of CPU time.

#![allow(clippy::disallowed_methods, clippy::panic, reason = "a program of its own")]

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use std::{env, fs, hint};

use push_live_metrics::cli::{self, Command, Environment};
use push_live_metrics::plan::Plan;
use push_live_metrics::remote_write::{Body, TimeSeries, Version, v1};
use push_live_metrics::series::{Sample, SeriesIter, Tick, TimestampMs};

/// What the sender puts into one request, unless a flag says otherwise.
const BATCH_SIZE: usize = 2000;

fn main() -> io::Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let elapsed = match args.as_slice() {
        ["push", address, count, bytes] => {
            let (count, bytes) = (number(count)?, number(bytes)?);
            return push(address, (0..count).map(|_| vec![b'x'; bytes]));
        }
        ["post", address, flags @ ..] => {
            let plan = plan(flags);
            let mut bodies = Vec::new();
            let mut body = Body::default();
            batches(&plan, |series| {
                bodies.push(body.encode(Version::V1, series, &plan.metadata()).to_vec());
                Ok(())
            })?;
            let start = Instant::now();
            push(address, bodies.into_iter())?;
            start.elapsed()
        }
        ["text", flags @ ..] => text(&plan(flags))?,
        ["snap", flags @ ..] => snap(&plan(flags))?,
        _ => return Err(io::Error::other("usage: floor push|post|text|snap ...")),
    };
    writeln!(io::stdout(), "{}", elapsed.as_nanos())
}

fn number(text: &str) -> io::Result<usize> {
    text.parse().map_err(io::Error::other)
}

/// Returns what these flags plan.
fn plan(flags: &[&str]) -> Plan {
    let environment = Environment::new(Default::default(), "/nonexistent".into());
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("the clock is past 1970");
    let now = TimestampMs(i64::try_from(now.as_millis()).expect("and not far past it"));
    match cli::parse(flags.iter().map(Into::into), &environment, now) {
        Ok(invocation) => match invocation.command {
            Command::Live(config) => config.plan,
            Command::Backfill(config) => config.plan,
            Command::Export(config) => config.plan,
            other => panic!("no window to push: {other:?}"),
        },
        Err(error) => panic!("{error}"),
    }
}

/// Posts the bodies one after the other over one connection.
fn push(address: &str, bodies: impl Iterator<Item = Vec<u8>>) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut answers = BufReader::new(stream.try_clone()?);
    for body in bodies {
        let mut request = format!(
            "POST /api/v1/write HTTP/1.1\r\nHost: {address}\r\nContent-Encoding: snappy\r\n\
             Content-Type: application/x-protobuf\r\nUser-Agent: floor\r\n\
             X-Prometheus-Remote-Write-Version: 0.1.0\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend(body);
        stream.write_all(&request)?;
        answer(&mut answers)?;
    }
    Ok(())
}

/// Reads an answer, which must be a success.
fn answer(answers: &mut BufReader<TcpStream>) -> io::Result<()> {
    let (mut line, mut length) = (String::new(), 0);
    answers.read_line(&mut line)?;
    if !line.starts_with("HTTP/1.1 2") {
        return Err(io::Error::other(line));
    }
    while line.trim() != "" {
        line.clear();
        answers.read_line(&mut line)?;
        if let Some(("content-length", value)) = line.to_ascii_lowercase().split_once(": ") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    io::copy(&mut answers.take(length), &mut io::sink()).map(|_| ())
}

/// Returns how long this thread has had a processor.
fn cpu_time() -> io::Result<Duration> {
    let stat = fs::read_to_string("/proc/thread-self/schedstat")?;
    let ns = stat.split(' ').next().and_then(|ns| ns.parse().ok());
    ns.map(Duration::from_nanos).ok_or_else(|| io::Error::other("schedstat"))
}

fn text(plan: &Plan) -> io::Result<Duration> {
    let start = cpu_time()?;
    let mut text = String::new();
    for mut iter in plan.iters_from(plan.window.first_index) {
        for sample in iter.before(plan.window.end_index()) {
            if text.len() > 64 * 1024 {
                hint::black_box(&text);
                text.clear();
            }
            let _ = writeln!(text, "{}", sample.value);
        }
    }
    hint::black_box(&text);
    Ok(cpu_time()? - start)
}

/// Compresses the messages of a plan, which are made beforehand, one at a time, and generates
/// their values; only these two are timed.
fn snap(plan: &Plan) -> io::Result<Duration> {
    let (mut message, mut compressed) = (Vec::new(), Vec::new());
    let mut encoder = snap::raw::Encoder::new();
    let mut timed = Duration::ZERO;
    batches(plan, |series| {
        v1::encode(series, &plan.metadata(), &mut message);
        compressed.resize(snap::raw::max_compress_len(message.len()), 0);
        let start = cpu_time()?;
        encoder.compress(&message, &mut compressed).map_err(io::Error::other)?;
        hint::black_box(&compressed);
        timed += cpu_time()? - start;
        Ok(())
    })?;
    let count = usize::try_from(plan.window.tick_count).map_err(io::Error::other)?;
    let start = cpu_time()?;
    for iter in plan.iters_from(plan.window.first_index) {
        iter.take(count).for_each(|sample| {
            hint::black_box(sample);
        });
    }
    Ok(timed + (cpu_time()? - start))
}

/// Calls `each` for every request of a plan: ticks of one series, or series of one tick.
fn batches(
    plan: &Plan,
    mut each: impl FnMut(&[TimeSeries<'_>]) -> io::Result<()>,
) -> io::Result<()> {
    let mut iters: Vec<SeriesIter> = plan.iters_from(plan.window.first_index).collect();
    let ticks_per_batch = (BATCH_SIZE / iters.len()).max(1);
    let mut left = usize::try_from(plan.window.tick_count).map_err(io::Error::other)?;
    while left > 0 {
        let count = ticks_per_batch.min(left);
        left -= count;
        let take = |iter: &mut SeriesIter| iter.take(count).filter_map(Tick::sample).collect();
        let samples: Vec<Vec<Sample>> = iters.iter_mut().map(take).collect();
        let series = plan.label_sets.iter().zip(&samples);
        let series: Vec<TimeSeries<'_>> =
            series.map(|(labels, samples)| TimeSeries { labels, samples, starts: None }).collect();
        series.chunks(BATCH_SIZE).try_for_each(&mut each)?;
    }
    Ok(())
}
