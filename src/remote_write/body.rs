//! The body of a request: a message in snappy block format.
//!
//! Never the framed format. Source: Remote-Write 1.0 specification, "Protocol".

use snap::raw::{Encoder, max_compress_len};

use super::{Metadata, TimeSeries, Version, v1, v2};

/// Buffers for one request at a time; the next one reuses them.
pub struct Body {
    message: Vec<u8>,
    compressed: Vec<u8>,
    encoder: Encoder,
}

impl Default for Body {
    fn default() -> Self {
        Self { message: Vec::new(), compressed: Vec::new(), encoder: Encoder::new() }
    }
}

impl Body {
    /// Encodes and compresses a request; returns the bytes to post.
    pub fn encode(
        &mut self,
        version: Version,
        series: &[TimeSeries<'_>],
        metadata: &[Metadata<'_>],
    ) -> &[u8] {
        match version {
            Version::V1 => v1::encode(series, metadata, &mut self.message),
            Version::V2 => v2::encode(series, metadata, &mut self.message),
        }
        let needed = max_compress_len(self.message.len());
        if self.compressed.len() < needed {
            self.compressed.resize(needed, 0);
        }
        let written = self
            .encoder
            .compress(&self.message, &mut self.compressed)
            .expect("the buffer has the length that snap asks for, the message less than 4 GiB");
        &self.compressed[..written]
    }
    /// Returns the size of the message encoded last, before compression.
    pub fn message_bytes(&self) -> usize {
        self.message.len()
    }
}
