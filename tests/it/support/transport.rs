//! What the receiver's HTTP goes over: a socket, or TLS over one.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

/// A stream with something around it.
pub(crate) trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// Puts something around a socket.
pub(crate) type Wrap = Arc<dyn Fn(TcpStream) -> io::Result<Box<dyn Stream>> + Send + Sync>;

/// A connection as the receiver has it.
pub(crate) enum Transport {
    Plain(TcpStream),
    Wrapped(Box<dyn Stream>),
}

impl Transport {
    /// Returns the transport over a socket.
    pub(crate) fn new(stream: TcpStream, wrap: Option<&Wrap>) -> io::Result<Transport> {
        Ok(match wrap {
            Some(wrap) => Transport::Wrapped(wrap(stream)?),
            None => Transport::Plain(stream),
        })
    }

    /// Reads one byte, and not one more; `None` at the end.
    pub(crate) fn read_byte(&mut self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        match self.read(&mut byte)? {
            0 => Ok(None),
            _ => Ok(Some(byte[0])),
        }
    }

    /// Waits until more has come, which stays unread: closing then resets the connection.
    pub(crate) fn wait_for_more(&self) -> io::Result<u8> {
        let Transport::Plain(stream) = self else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let mut byte = [0];
        match stream.peek(&mut byte)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(byte[0]),
        }
    }
}

impl Read for Transport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Transport::Plain(stream) => stream.read(buffer),
            Transport::Wrapped(stream) => stream.read(buffer),
        }
    }
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Transport::Plain(stream) => stream.write(bytes),
            Transport::Wrapped(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Transport::Plain(stream) => stream.flush(),
            Transport::Wrapped(stream) => stream.flush(),
        }
    }
}
