//! The fields of a protobuf message, read off a slice.
//!
//! Not quick-protobuf's reader: it does not hold a nested message to its own length. A message
//! is entered by its bytes alone here, so nothing reaches beyond it, and nothing recurses.
//! Source: protobuf.dev, "Encoding".

use super::answer::{ReadError, unreadable};

/// A field's value by its wire type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64(u64),
    /// Wire type 2.
    Bytes(&'a [u8]),
    /// Wire type 5.
    Fixed32,
}

impl<'a> Value<'a> {
    /// Returns the bytes of a nested message or text.
    pub(super) fn bytes(self) -> Result<&'a [u8], ReadError> {
        if let Value::Bytes(bytes) = self { Ok(bytes) } else { wrong_type() }
    }

    /// Returns the bits of a double.
    pub(super) fn fixed64(self) -> Result<u64, ReadError> {
        if let Value::Fixed64(bits) = self { Ok(bits) } else { wrong_type() }
    }

    /// Returns an integer.
    pub(super) fn varint(self) -> Result<u64, ReadError> {
        if let Value::Varint(value) = self { Ok(value) } else { wrong_type() }
    }
}

fn wrong_type<T>() -> Result<T, ReadError> {
    unreadable("a field has another type than it should")
}

/// Returns the nested messages of `message` in the fields with this number.
pub(super) fn nested(
    message: &[u8],
    number: u64,
) -> impl Iterator<Item = Result<&[u8], ReadError>> {
    Fields::of(message).filter_map(move |field| match field {
        Ok((found, value)) => (found == number).then(|| value.bytes()),
        Err(error) => Some(Err(error)),
    })
}

/// The fields of a message in the order they stand: number and value. Ends after an error.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Returns the fields of `message`.
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(usize::try_from(length).ok()?)?)
            }
            5 => self.take(4).map(|_| Value::Fixed32)?,
            // Groups went out of use before any of these messages was thought of.
            _ => return None,
        };
        (tag >> 3 > 0).then_some((tag >> 3, value))
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return None;
            }
            value |= bits << shift;
            if *byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.rest = &[];
        }
        Some(field.map_or_else(|| unreadable("its protobuf message is malformed"), Ok))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows number and value of each field.
    #[track_caller]
    fn check(message: &[u8], expected: &str) {
        let shown: Vec<String> = Fields::of(message)
            .map(|field| match field {
                Ok((number, value)) => format!("{number}={value:?}"),
                Err(_) => "malformed".into(),
            })
            .collect();
        assert_eq!(shown.join(" "), expected);
    }

    #[test]
    fn fields_are_read_by_their_wire_type() {
        check(&[], "");
        check(&[8, 150, 1], "1=Varint(150)");
        check(&[9, 1, 0, 0, 0, 0, 0, 0, 0x80], "1=Fixed64(9223372036854775809)");
        check(&[18, 2, 7, 8, 16, 0], "2=Bytes([7, 8]) 2=Varint(0)");
        check(&[13, 1, 2, 3, 4], "1=Fixed32");
        let most = [8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1];
        check(&most, "1=Varint(18446744073709551615)");
    }

    #[test]
    fn what_is_cut_off_or_too_long_is_malformed() {
        for message in [
            &[8][..],
            &[8, 0x80],
            &[9, 0, 0, 0],
            &[18, 3, 1, 2],
            &[18, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1],
            &[8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2],
            &[8, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 0],
            &[13, 1],
            &[11],
            &[12],
            &[14],
            &[0, 1],
        ] {
            check(message, "malformed");
        }
        check(&[8, 1, 8], "1=Varint(1) malformed");
    }
}
