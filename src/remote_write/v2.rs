//! Remote-Write 2.0: the protobuf message `io.prometheus.write.v2.Request`.
//!
//! Encodes only. Every string stands once, in a table with "" first; series refer to it.
//! Source: Remote-Write 2.0 specification (rc.4), "Protobuf Message"; prometheus
//! prompb/io/prometheus/write/v2/types.proto for the field numbers.

use std::collections::HashMap;

use quick_protobuf::sizeofs::{sizeof_len, sizeof_varint};
use quick_protobuf::{MessageWrite, Result, Writer, WriterBackend};

use super::v1::{replace, sizes, write_each};
use super::{Metadata, TimeSeries};
use crate::series::{Sample, Starts};

/// Tags: field number << 3 | wire type (0 varint, 1 fixed64, 2 length-delimited).
const REQUEST_SYMBOLS: u32 = 4 << 3 | 2;
const REQUEST_TIMESERIES: u32 = 5 << 3 | 2;
const TIME_SERIES_LABELS_REFS: u32 = 1 << 3 | 2;
const TIME_SERIES_SAMPLES: u32 = 2 << 3 | 2;
const TIME_SERIES_METADATA: u32 = 5 << 3 | 2;
const SAMPLE_START_TIMESTAMP: u32 = 3 << 3;
const METADATA_TYPE: u32 = 1 << 3;
const METADATA_HELP_REF: u32 = 3 << 3;

/// Every tag above fits one byte.
const TAG_BYTES: usize = 1;

/// Puts the encoded message, without a length before it, into `out`, replacing its bytes.
///
/// The metadata stands in every series. Each sample of a counter has its start timestamp.
///
/// # Panics
/// When there is no metadata.
pub fn encode(series: &[TimeSeries<'_>], metadata: &[Metadata<'_>], out: &mut Vec<u8>) {
    let mut symbols = Symbols::default();
    symbols.reference("");
    let series: Vec<SeriesRefs<'_>> = series
        .iter()
        .map(|series| {
            let pairs = series.labels.pairs().iter();
            let own = |m: &&Metadata<'_>| m.metric_name == series.labels.metric_name();
            let metadata = match metadata {
                [only] => only,
                several => several.iter().find(own).expect("a series has metadata"),
            };
            SeriesRefs {
                labels: pairs
                    .flat_map(|(name, value)| [symbols.reference(name), symbols.reference(value)])
                    .collect(),
                series: *series,
                started: series.starts.map(|starts| started(series.samples, starts)),
                metric_type: metadata.type_number(),
                help: symbols.reference(metadata.help),
            }
        })
        .collect();
    let request = Request { symbols: &symbols.in_order, series: &series };
    replace(&request, out);
}

/// Adds to samples when their values start.
fn started(samples: &[Sample], starts: Starts<'_>) -> Vec<Started> {
    // 0 would be unset, so 1970 is a millisecond earlier.
    // Source: Remote-Write 2.0 specification, "Samples and Histogram Samples".
    let start_ms = |sample: &Sample| match starts.time(sample.timestamp).0 {
        0 => -1,
        start_ms => start_ms,
    };
    samples.iter().map(|sample| Started { sample: *sample, start_ms: start_ms(sample) }).collect()
}

/// A sample of a counter.
struct Started {
    sample: Sample,
    start_ms: i64,
}

impl MessageWrite for Started {
    fn get_size(&self) -> usize {
        self.sample.get_size() + TAG_BYTES + sizeof_varint(self.start_ms.cast_unsigned())
    }

    fn write_message<W: WriterBackend>(&self, writer: &mut Writer<W>) -> Result<()> {
        self.sample.write_message(writer)?;
        writer.write_with_tag(SAMPLE_START_TIMESTAMP, |w| w.write_int64(self.start_ms))
    }
}

/// The strings of a message, each once.
#[derive(Default)]
struct Symbols<'a> {
    in_order: Vec<&'a str>,
    references: HashMap<&'a str, u32>,
}

impl<'a> Symbols<'a> {
    fn reference(&mut self, text: &'a str) -> u32 {
        *self.references.entry(text).or_insert_with(|| {
            self.in_order.push(text);
            u32::try_from(self.in_order.len() - 1).expect("a request has less than 4 G strings")
        })
    }
}

struct Request<'a> {
    symbols: &'a [&'a str],
    series: &'a [SeriesRefs<'a>],
}

struct SeriesRefs<'a> {
    /// The name and the value of each label, alternating.
    labels: Vec<u32>,
    series: TimeSeries<'a>,
    /// The samples of a counter.
    started: Option<Vec<Started>>,
    metric_type: i32,
    /// 0 is unset.
    help: u32,
}

impl MessageWrite for Request<'_> {
    fn get_size(&self) -> usize {
        let symbols = self.symbols.iter().map(|symbol| TAG_BYTES + sizeof_len(symbol.len()));
        symbols.sum::<usize>() + sizes(self.series)
    }

    fn write_message<W: WriterBackend>(&self, writer: &mut Writer<W>) -> Result<()> {
        for symbol in self.symbols {
            writer.write_with_tag(REQUEST_SYMBOLS, |w| w.write_string(symbol))?;
        }
        write_each(writer, REQUEST_TIMESERIES, self.series)
    }
}

fn sizeof_reference(reference: &u32) -> usize {
    sizeof_varint(u64::from(*reference))
}

impl SeriesRefs<'_> {
    fn metadata_size(&self) -> usize {
        let help = if self.help == 0 { 0 } else { TAG_BYTES + sizeof_reference(&self.help) };
        TAG_BYTES + 1 + help
    }
}

impl MessageWrite for SeriesRefs<'_> {
    fn get_size(&self) -> usize {
        let labels = sizeof_len(self.labels.iter().map(sizeof_reference).sum());
        let samples = match &self.started {
            Some(started) => sizes(started),
            None => sizes(self.series.samples),
        };
        TAG_BYTES + labels + samples + TAG_BYTES + sizeof_len(self.metadata_size())
    }

    fn write_message<W: WriterBackend>(&self, writer: &mut Writer<W>) -> Result<()> {
        let write = |w: &mut Writer<W>, reference: &u32| w.write_uint32(*reference);
        writer.write_packed_with_tag(
            TIME_SERIES_LABELS_REFS,
            &self.labels,
            write,
            &sizeof_reference,
        )?;
        // The same fields as in 1.0, and one more of a counter.
        match &self.started {
            Some(started) => write_each(writer, TIME_SERIES_SAMPLES, started)?,
            None => write_each(writer, TIME_SERIES_SAMPLES, self.series.samples)?,
        }
        writer.write_tag(TIME_SERIES_METADATA)?;
        writer.write_varint(self.metadata_size() as u64)?;
        writer.write_with_tag(METADATA_TYPE, |w| w.write_enum(self.metric_type))?;
        if self.help != 0 {
            writer.write_with_tag(METADATA_HELP_REF, |w| w.write_uint32(self.help))?;
        }
        Ok(())
    }
}
