//! Remote-Write 1.0: the protobuf message `prometheus.WriteRequest`.
//!
//! Encodes only; it never drops, sorts or changes what it is given.
//! Source: Remote-Write 1.0 specification, "Protocol"; prometheus prompb/remote.proto and
//! prompb/types.proto for the field numbers. Metadata (field 3) is outside the specification,
//! and taken or ignored by every receiver.

use quick_protobuf::sizeofs::{sizeof_len, sizeof_varint};
use quick_protobuf::{BytesWriter, MessageWrite, Result, Writer, WriterBackend};

use super::{Metadata, TimeSeries};
use crate::labels::{Label, LabelSet};
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

/// Puts the encoded message, without a length before it, into `out`, replacing its bytes.
pub fn encode(series: &[TimeSeries<'_>], metadata: &[Metadata<'_>], out: &mut Vec<u8>) {
    replace(&WriteRequest { series, metadata }, out);
}

/// Puts `message`, without a length before it, into `out`, replacing its bytes.
///
/// It is written into a slice, because a Vec makes a call for each byte. Old bytes are not cleared
/// before: that would cost a tenth of the encoding.
pub(super) fn replace(message: &impl MessageWrite, out: &mut Vec<u8>) {
    out.resize(message.get_size(), 0);
    let mut writer = Writer::new(BytesWriter::new(out));
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

fn label_size((name, value): &Label) -> usize {
    2 * TAG_BYTES + sizeof_len(name.len()) + sizeof_len(value.len())
}

/// The size of a sample that has a value and a time from 1971 to 2109.
const USUAL_SAMPLE_BYTES: usize = 16;

fn is_usual(sample: &Sample) -> bool {
    sample.value.to_bits() != 0 && (1 << 35..1 << 42).contains(&sample.timestamp.0)
}

/// Returns the message of a usual sample as two words. Byte by byte it would take twice as long as
/// compressing it.
fn usual_message(sample: &Sample) -> [u64; 2] {
    let (bits, time_ms) = (sample.value.to_bits(), sample.timestamp.0.cast_unsigned());
    // The time in seven bits a byte, the lowest first: in parts of 28 bits, 14, and 7.
    let varint = time_ms & 0xfff_ffff | (time_ms >> 28) << 32;
    let varint = varint & 0x3fff_0000_3fff | (varint & 0xfff_c000) << 2;
    let varint = varint & 0x7f_007f_007f | (varint & 0x3f80_3f80_3f80) << 1;
    // All bytes but the last have the top bit set.
    let varint = varint | 0x80_8080_8080;
    let tags = [SAMPLE_VALUE, SAMPLE_TIMESTAMP].map(u64::from);
    [bits << 8 | tags[0], varint << 16 | tags[1] << 8 | bits >> 56]
}

impl MessageWrite for Sample {
    fn get_size(&self) -> usize {
        if is_usual(self) {
            return USUAL_SAMPLE_BYTES;
        }
        // Proto3 leaves zeros out. -0.0 is written: left out, it would come back as 0.0.
        let value = if self.value.to_bits() == 0 { 0 } else { TAG_BYTES + 8 };
        let timestamp = match self.timestamp.0 {
            0 => 0,
            timestamp_ms => TAG_BYTES + sizeof_varint(timestamp_ms.cast_unsigned()),
        };
        value + timestamp
    }

    fn write_message<W: WriterBackend>(&self, writer: &mut Writer<W>) -> Result<()> {
        if is_usual(self) {
            return usual_message(self).into_iter().try_for_each(|word| writer.write_fixed64(word));
        }
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
