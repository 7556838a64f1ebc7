//! Reads a write request back, strictly: what the specification leaves to the sender's good
//! will is an error here. Shares no code with the encoder.
//!
//! Source: Remote-Write 1.0, "Protocol"; prometheus prompb/remote.proto and prompb/types.proto;
//! the framing format of snappy for what must not be there.

/// Label pairs in the order they came.
pub(crate) type Labels = Vec<(String, String)>;

/// One sample of one series, the value as its bits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Point {
    pub(crate) timestamp_ms: i64,
    pub(crate) labels: Labels,
    pub(crate) bits: u64,
}

/// An entry of field 3.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) kind: u64,
    pub(crate) metric_family_name: String,
    pub(crate) help: String,
}

/// A whole `prometheus.WriteRequest`, or what `wire_v2.rs` makes of the 2.0 message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WriteRequest {
    pub(crate) points: Vec<Point>,
    /// The start timestamp of each point, where it has one.
    pub(crate) starts: Vec<Option<i64>>,
    pub(crate) metadata: Vec<Metadata>,
}

/// Decodes a body: a snappy block that holds a write request, and nothing behind it.
pub(crate) fn decode(body: &[u8]) -> Result<WriteRequest, String> {
    let request = write_request(&uncompressed(body)?)?;
    check(&request)?;
    Ok(request)
}

/// Returns what is in a snappy block.
pub(super) fn uncompressed(body: &[u8]) -> Result<Vec<u8>, String> {
    if body.starts_with(b"\xff\x06\x00\x00sNaPpY") {
        return Err("the body is in snappy's framing format, not a block".into());
    }
    snap::raw::Decoder::new()
        .decompress_vec(body)
        .map_err(|error| format!("the body is no snappy block: {error}"))
}

/// Decodes a write request that is not compressed, whatever its labels are like.
pub(crate) fn write_request(message: &[u8]) -> Result<WriteRequest, String> {
    let mut request = WriteRequest::default();
    for field in Fields(message) {
        match field? {
            (1, Payload::Bytes(bytes)) => request.points.extend(time_series(bytes)?),
            (3, Payload::Bytes(bytes)) => request.metadata.push(metadata(bytes)?),
            other => return Err(format!("WriteRequest has a field {other:?}")),
        }
    }
    Ok(request)
}

fn time_series(bytes: &[u8]) -> Result<Vec<Point>, String> {
    let mut labels = Labels::new();
    let mut samples = Vec::new();
    for field in Fields(bytes) {
        match field? {
            (1, Payload::Bytes(bytes)) => labels.push(label(bytes)?),
            (2, Payload::Bytes(bytes)) => samples.push(sample(bytes)?),
            other => return Err(format!("TimeSeries has a field {other:?}")),
        }
    }
    if samples.is_empty() {
        return Err(format!("series {labels:?} has no sample"));
    }
    let point = |sample| match sample {
        (timestamp_ms, bits, None) => Ok(Point { timestamp_ms, labels: labels.clone(), bits }),
        (.., Some(start_ms)) => Err(format!("Sample has a start timestamp {start_ms}")),
    };
    samples.into_iter().map(point).collect()
}

fn label(bytes: &[u8]) -> Result<(String, String), String> {
    let (mut name, mut value) = (None, None);
    for field in Fields(bytes) {
        match field? {
            (1, Payload::Bytes(bytes)) if name.is_none() => name = Some(text(bytes)?),
            (2, Payload::Bytes(bytes)) if value.is_none() => value = Some(text(bytes)?),
            other => return Err(format!("Label has a field {other:?}")),
        }
    }
    Ok((name.ok_or("a label has no name")?, value.ok_or("a label has no value")?))
}

/// Returns timestamp, bits of the value and start timestamp.
pub(super) fn sample(bytes: &[u8]) -> Result<(i64, u64, Option<i64>), String> {
    let (mut bits, mut timestamp_ms, mut start_ms) = (None, None, None);
    for field in Fields(bytes) {
        match field? {
            (1, Payload::Fixed64(value)) if bits.is_none() => bits = Some(value),
            (2, Payload::Varint(value)) if timestamp_ms.is_none() => {
                timestamp_ms = Some(value.cast_signed());
            }
            // 0 is unset, and left out.
            (3, Payload::Varint(value)) if start_ms.is_none() && value != 0 => {
                start_ms = Some(value.cast_signed());
            }
            other => return Err(format!("Sample has a field {other:?}")),
        }
    }
    // Proto3 leaves zeros out.
    Ok((timestamp_ms.unwrap_or(0), bits.unwrap_or(0), start_ms))
}

fn metadata(bytes: &[u8]) -> Result<Metadata, String> {
    let mut metadata = Metadata::default();
    for field in Fields(bytes) {
        match field? {
            (1, Payload::Varint(kind)) => metadata.kind = kind,
            (2, Payload::Bytes(bytes)) => metadata.metric_family_name = text(bytes)?,
            (4, Payload::Bytes(bytes)) => metadata.help = text(bytes)?,
            other => return Err(format!("MetricMetadata has a field {other:?}")),
        }
    }
    Ok(metadata)
}

pub(super) fn text(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| format!("{bytes:?} is not UTF-8"))
}

/// What Remote-Write says of series and samples.
pub(super) fn check(request: &WriteRequest) -> Result<(), String> {
    if request.points.is_empty() {
        return Err("the request holds no sample".into());
    }
    request.points.iter().try_for_each(|point| check_labels(&point.labels))
}

fn check_labels(labels: &Labels) -> Result<(), String> {
    let Some((_, metric_name)) = labels.iter().find(|(name, _)| name == "__name__") else {
        return Err(format!("{labels:?} has no __name__"));
    };
    if !is_name(metric_name, ":") {
        return Err(format!("{metric_name:?} is no metric name"));
    }
    for (name, value) in labels {
        if value.is_empty() || !is_name(name, "") {
            return Err(format!("{name:?}={value:?} is no label"));
        }
        if name.starts_with("__") && name != "__name__" {
            return Err(format!("{name:?} is reserved"));
        }
    }
    if labels.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
        return Err(format!("{labels:?} are not sorted, or not unique"));
    }
    Ok(())
}

fn is_name(name: &str, more: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_' || more.contains(c);
    name.starts_with(first) && name.chars().all(|c| first(c) || c.is_ascii_digit())
}

#[derive(Debug)]
pub(super) enum Payload<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, in their order.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        if count > self.0.len() {
            return Err(format!("a field of {count} bytes, and {} are left", self.0.len()));
        }
        let (taken, left) = self.0.split_at(count);
        self.0 = left;
        Ok(taken)
    }

    pub(super) fn varint(&mut self) -> Result<u64, String> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            let bits = u64::from(byte & 0x7f);
            if (bits << shift) >> shift != bits || (byte == 0 && shift > 0) {
                return Err("a varint that is too long".into());
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("a varint that does not end".into())
    }

    fn field(&mut self) -> Result<(u64, Payload<'a>), String> {
        let tag = self.varint()?;
        let payload = match tag & 7 {
            0 => Payload::Varint(self.varint()?),
            1 => {
                let bytes = self.take(8)?.try_into().expect("eight were taken");
                Payload::Fixed64(u64::from_le_bytes(bytes))
            }
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|error| error.to_string())?;
                Payload::Bytes(self.take(length)?)
            }
            wire_type => return Err(format!("wire type {wire_type}")),
        };
        Ok((tag >> 3, payload))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Payload<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.0.is_empty()).then(|| self.field())
    }
}
