//! Bytes as lines: cut at LF alone, and never longer than the limit.

use std::{fmt, io};
use tokio_util::{
    bytes::{Bytes, BytesMut},
    codec::{AnyDelimiterCodec, AnyDelimiterCodecError, Decoder},
};

/// Room of a line that is kept for the next ones.
const LONG: usize = 64 << 10;

/// A decoder of lines. Only LF ends a line: U+2028 and CR are part of it. What follows the last LF is not a line.
///
/// At most twice the limit is buffered.
#[derive(Debug)]
pub struct Lines {
    codec: AnyDelimiterCodec,
    limit: usize,
}

impl Lines {
    /// Returns a decoder of lines of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            codec: AnyDelimiterCodec::new_with_max_length(b"\n".to_vec(), Vec::new(), limit),
            limit,
        }
    }
}

impl Decoder for Lines {
    type Item = Bytes;
    type Error = LineError;

    fn decode(&mut self, read: &mut BytesMut) -> Result<Option<Bytes>, LineError> {
        let line = self.codec.decode(read).map_err(|error| match error {
            AnyDelimiterCodecError::MaxChunkLengthExceeded => LineError::TooLong(self.limit),
            AnyDelimiterCodecError::Io(error) => LineError::Io(error),
        })?;
        // A session does not keep the room of its longest line: it goes with the line.
        let long = |line: &Bytes| line.len() > LONG && read.len() <= line.len();
        if line.as_ref().is_some_and(long) {
            *read = BytesMut::from(&read[..]);
        }
        Ok(line)
    }

    /// A line whose end was never written was cut by the end of its writer: there is nothing to learn from it.
    fn decode_eof(&mut self, read: &mut BytesMut) -> Result<Option<Bytes>, LineError> {
        let line = self.decode(read)?;
        if line.is_none() {
            read.clear();
        }
        Ok(line)
    }
}

/// The error of [`Lines`]: why there is no next line.
#[derive(Debug)]
pub enum LineError {
    /// The line has more bytes than this limit.
    TooLong(usize),
    /// It could not be read.
    Io(io::Error),
}

impl From<io::Error> for LineError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(limit) => write!(f, "a line is longer than {limit} bytes"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LineError {}
