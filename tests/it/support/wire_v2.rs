//! Reads a 2.0 write request back, strictly: what the specification leaves to the sender's good
//! will, and what this sender promises beside it, is an error here. Shares no code with the
//! encoder.
//!
//! Source: Remote-Write 2.0 (rc.4), "Protobuf Message"; prometheus
//! prompb/io/prometheus/write/v2/types.proto.

use std::collections::HashSet;

use super::wire::{self, Fields, Labels, Metadata, Payload, Point, WriteRequest};

/// Decodes a body: a snappy block that holds a 2.0 write request, and nothing behind it.
pub(crate) fn decode(body: &[u8]) -> Result<WriteRequest, String> {
    let request = request(&wire::uncompressed(body)?)?;
    wire::check(&request)?;
    Ok(request)
}

/// Decodes a 2.0 write request that is not compressed, whatever its labels are like. It has
/// metadata for each series.
pub(crate) fn request(message: &[u8]) -> Result<WriteRequest, String> {
    let (mut texts, mut series) = (Vec::new(), Vec::new());
    for field in Fields(message) {
        match field? {
            (4, Payload::Bytes(bytes)) if series.is_empty() => texts.push(wire::text(bytes)?),
            (5, Payload::Bytes(bytes)) => series.push(bytes),
            other => return Err(format!("Request has a field {other:?} here")),
        }
    }
    let mut symbols = Symbols::new(texts)?;
    let mut request = WriteRequest::default();
    for bytes in series {
        symbols.time_series(bytes, &mut request)?;
    }
    match symbols.is_used.iter().position(|is_used| !is_used) {
        Some(unused) => Err(format!("nothing refers to symbol {unused}")),
        None => Ok(request),
    }
}

/// `Metadata.MetricType`.
const COUNTER: u64 = 1;
const GAUGE: u64 = 2;

/// The table of a message's strings.
struct Symbols {
    texts: Vec<String>,
    is_used: Vec<bool>,
}

impl Symbols {
    fn new(texts: Vec<String>) -> Result<Symbols, String> {
        if texts.first().is_none_or(|first| !first.is_empty()) {
            return Err(format!("the first symbol is {:?}", texts.first()));
        }
        if texts.iter().collect::<HashSet<_>>().len() < texts.len() {
            return Err("a symbol is there twice".into());
        }
        let mut is_used = vec![false; texts.len()];
        is_used[0] = true;
        Ok(Symbols { texts, is_used })
    }

    fn get(&mut self, reference: u64) -> Result<String, String> {
        let index = usize::try_from(reference).map_err(|error| error.to_string())?;
        let count = self.texts.len();
        let text = self.texts.get(index).ok_or(format!("symbol {index} of {count}"))?;
        self.is_used[index] = true;
        Ok(text.clone())
    }

    fn time_series(&mut self, bytes: &[u8], request: &mut WriteRequest) -> Result<(), String> {
        let (mut labels, mut samples, mut metadata) = (None, Vec::new(), None);
        for field in Fields(bytes) {
            match field? {
                (1, Payload::Bytes(bytes)) if labels.is_none() => {
                    labels = Some(self.labels(bytes)?);
                }
                (2, Payload::Bytes(bytes)) => samples.push(wire::sample(bytes)?),
                (5, Payload::Bytes(bytes)) if metadata.is_none() => {
                    metadata = Some(self.metadata(bytes)?);
                }
                other => return Err(format!("TimeSeries has a field {other:?}")),
            }
        }
        let labels = labels.ok_or("a series has no labels_refs")?;
        if samples.is_empty() {
            return Err(format!("series {labels:?} has no sample"));
        }
        let mut metadata = metadata.ok_or(format!("series {labels:?} has no metadata"))?;
        let name = labels.iter().find(|(name, _)| name == "__name__");
        metadata.metric_family_name = name.map(|(_, value)| value.clone()).unwrap_or_default();
        for (timestamp_ms, bits, start_ms) in samples {
            // Of a counter each sample has one, of a gauge none.
            if start_ms.is_some() != (metadata.kind == COUNTER) {
                return Err(format!("start timestamp {start_ms:?} of type {}", metadata.kind));
            }
            if start_ms.is_some_and(|start_ms| start_ms > timestamp_ms) {
                return Err(format!("start timestamp {start_ms:?} after {timestamp_ms}"));
            }
            request.points.push(Point { timestamp_ms, labels: labels.clone(), bits });
            request.starts.push(start_ms);
        }
        request.metadata.push(metadata);
        Ok(())
    }

    fn labels(&mut self, bytes: &[u8]) -> Result<Labels, String> {
        let (mut packed, mut texts) = (Fields(bytes), Vec::new());
        while !packed.0.is_empty() {
            texts.push(self.get(packed.varint()?)?);
        }
        if texts.len() % 2 != 0 {
            return Err(format!("{} references to names and values", texts.len()));
        }
        Ok(texts.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
    }

    fn metadata(&mut self, bytes: &[u8]) -> Result<Metadata, String> {
        let mut metadata = Metadata::default();
        for field in Fields(bytes) {
            match field? {
                (1, Payload::Varint(kind)) => metadata.kind = kind,
                (3, Payload::Varint(help)) => metadata.help = self.get(help)?,
                other => return Err(format!("Metadata has a field {other:?}")),
            }
        }
        if ![COUNTER, GAUGE].contains(&metadata.kind) {
            return Err(format!("metadata of type {}, which is neither", metadata.kind));
        }
        Ok(metadata)
    }
}
