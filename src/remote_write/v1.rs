//! Remote-Write 1.0: the protobuf message `prometheus.WriteRequest`.
//!
//! Encodes only; it never drops, sorts or changes what it is given.
//! Source: Remote-Write 1.0 specification, "Protocol"; prometheus prompb/remote.proto and
//! prompb/types.proto for the field numbers. Metadata (field 3) is outside the specification,
//! and taken or ignored by every receiver.

use quick_protobuf::sizeofs::{sizeof_len, sizeof_varint};
use quick_protobuf::{BytesWriter, MessageWrite, Result, Writer, WriterBackend};

use super::{Metadata, TimeSeries};
use crate::labels::LabelSet;
use crate::series::Sample;

/// Tags: field number << 3 | wire type (0 varint, 1 fixed64, 2 length-delimited).
const WRITE_REQUEST_TIMESERIES: u32 = 1 << 3 | 2;
const WRITE_REQUEST_METADATA: u32 = 3 << 3 | 2;
const TIME_SERIES_LABELS: u32 = 1 << 3 | 2;
const TIME_SERIES_SAMPLES: u32 = 2 << 3 | 2;
const LABEL_NAME: u32 = 1 << 3 | 2;
const LABEL_VALUE: u32 = 2 << 3 | 2;
const SAMPLE_VALUE: u32 = 1 << 3 | 1;
const SAMPLE_TIMESTAMP: u32 = 2 << 3;
const METADATA_TYPE: u32 = 1 << 3;
const METADATA_METRIC_FAMILY_NAME: u32 = 2 << 3 | 2;
const METADATA_HELP: u32 = 4 << 3 | 2;

/// Every tag above fits one byte.
const TAG_BYTES: usize = 1;

/// Appends the encoded message, without a length before it, to `out`.
pub fn encode(series: &[TimeSeries<'_>], metadata: &[Metadata<'_>], out: &mut Vec<u8>) {
    append(&WriteRequest { series, metadata }, out);
}

/// Appends `message`, without a length before it, to `out`.
///
/// Into a slice of its size: a Vec takes each byte as a copy of any length, a call each.
pub(super) fn append(message: &impl MessageWrite, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + message.get_size(), 0);
    let mut writer = Writer::new(BytesWriter::new(&mut out[start..]));
    message.write_message(&mut writer).expect("the slice has the message's size");
}

/// Returns the size of messages as fields of another one.
pub(super) fn sizes<'m, M: MessageWrite + 'm>(messages: impl IntoIterator<Item = &'m M>) -> usize {
    messages.into_iter().map(|message| TAG_BYTES + sizeof_len(message.get_size())).sum()
}

/// Writes messages as fields of another one.
pub(super) fn write_each<'m, M: MessageWrite + 'm, W: WriterBackend>(
    writer: &mut Writer<W>,
    tag: u32,
    messages: impl IntoIterator<Item = &'m M>,
) -> Result<()> {
    messages.into_iter().try_for_each(|message| {
        writer.write_with_tag(tag, |w| w.write_message(message)) //
    })
}

/// Returns the size of a series' labels in a message.
pub fn label_bytes(labels: &LabelSet) -> usize {
    labels.pairs().iter().map(|label| TAG_BYTES + sizeof_len(label_size(label))).sum()
}

struct WriteRequest<'a> {
    series: &'a [TimeSeries<'a>],
    metadata: &'a [Metadata<'a>],
}

impl MessageWrite for WriteRequest<'_> {
    fn get_size(&self) -> usize {
        sizes(self.series) + sizes(self.metadata)
    }

    fn write_message<W: WriterBackend>(&self, writer: &mut Writer<W>) -> Result<()> {
        write_each(writer, WRITE_REQUEST_TIMESERIES, self.series)?;
        write_each(writer, WRITE_REQUEST_METADATA, self.metadata)
    }
}

impl MessageWrite for TimeSeries<'_> {
    fn get_size(&self) -> usize {
        label_bytes(self.labels) + sizes(self.samples)
    }

    fn write_message<W: WriterBackend>(&self, writer: &mut Writer<W>) -> Result<()> {
        for label in self.labels.pairs() {
            writer.write_tag(TIME_SERIES_LABELS)?;
            writer.write_varint(label_size(label) as u64)?;
            writer.write_with_tag(LABEL_NAME, |w| w.write_string(&label.0))?;
            writer.write_with_tag(LABEL_VALUE, |w| w.write_string(&label.1))?;
        }
        write_each(writer, TIME_SERIES_SAMPLES, self.samples)
    }
}

fn label_size((name, value): &(String, String)) -> usize {
    2 * TAG_BYTES + sizeof_len(name.len()) + sizeof_len(value.len())
}

impl MessageWrite for Sample {
    fn get_size(&self) -> usize {
        // Proto3 leaves zeros out. -0.0 is written: left out, it would come back as 0.0.
        let value = if self.value.to_bits() == 0 { 0 } else { TAG_BYTES + 8 };
        let timestamp = match self.timestamp.0 {
            0 => 0,
            timestamp_ms => TAG_BYTES + sizeof_varint(timestamp_ms.cast_unsigned()),
        };
        value + timestamp
    }

    fn write_message<W: WriterBackend>(&self, writer: &mut Writer<W>) -> Result<()> {
        // As bits, so that the signalling NaN of a stale marker stays one.
        let bits = self.value.to_bits();
        if bits != 0 {
            writer.write_with_tag(SAMPLE_VALUE, |w| w.write_fixed64(bits))?;
        }
        if self.timestamp.0 != 0 {
            writer.write_with_tag(SAMPLE_TIMESTAMP, |w| w.write_int64(self.timestamp.0))?;
        }
        Ok(())
    }
}

impl MessageWrite for Metadata<'_> {
    fn get_size(&self) -> usize {
        let name = TAG_BYTES + sizeof_len(self.metric_name.len());
        let help = if self.help.is_empty() { 0 } else { TAG_BYTES + sizeof_len(self.help.len()) };
        TAG_BYTES + 1 + name + help
    }

    fn write_message<W: WriterBackend>(&self, writer: &mut Writer<W>) -> Result<()> {
        writer.write_with_tag(METADATA_TYPE, |w| w.write_enum(self.type_number()))?;
        writer.write_with_tag(METADATA_METRIC_FAMILY_NAME, |w| {
            w.write_string(self.metric_name) //
        })?;
        if !self.help.is_empty() {
            writer.write_with_tag(METADATA_HELP, |w| w.write_string(self.help))?;
        }
        Ok(())
    }
}
