//! Bytes as lines: cut at LF alone, and never longer than the limit.

use futures_core::Stream;
use std::{fmt, future::poll_fn, io, pin::Pin};
use tokio::process::ChildStdout;
use tokio_util::{
    bytes::{Bytes, BytesMut},
    codec::{AnyDelimiterCodec, AnyDelimiterCodecError, Decoder, FramedRead},
};

/// The output of a process, line by line: what [`Process::lines`](crate::Process::lines) returns.
#[derive(Debug)]
pub struct Lines(FramedRead<ChildStdout, LineDecoder>);

impl Lines {
    pub(crate) fn new(stdout: ChildStdout, limit: usize) -> Self {
        Self(FramedRead::new(stdout, LineDecoder::new(limit)))
    }

    /// Returns the next line, without its LF. `None` at the end of the output.
    ///
    /// # Errors
    ///
    /// The line is longer than the limit, or the output cannot be read. Then there is no next line: end the process.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no line is lost.
    pub async fn next(&mut self) -> Option<Result<Bytes, LineError>> {
        poll_fn(|cx| Pin::new(&mut self.0).poll_next(cx)).await
    }

    /// Reads the rest of the output and discards it, up to its end. Do this beside [`Process::stop`](crate::Process::stop): a process that
    /// writes more than its pipe holds blocks until it is read.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, what was read is discarded, and the next line may lack its beginning.
    pub async fn discard(&mut self) {
        self.0.read_buffer_mut().clear();
        self.0.decoder_mut().begin_anew();
        // If it cannot be read, nothing is left of it either.
        let _ = tokio::io::copy(self.0.get_mut(), &mut tokio::io::sink()).await;
    }
}

/// Room of a line that is kept for the next ones.
const LONG: usize = 64 << 10;

/// A decoder of lines, for other pipes than the output of a process. Only LF ends a line: U+2028 and CR are part of it. What follows
/// the last LF is not a line.
///
/// At most twice the limit is buffered.
#[derive(Debug)]
pub struct LineDecoder {
    codec: AnyDelimiterCodec,
    limit: usize,
}

impl LineDecoder {
    /// Returns a decoder of lines of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            codec: AnyDelimiterCodec::new_with_max_length(b"\n".to_vec(), Vec::new(), limit),
            limit,
        }
    }

    /// The codec remembers how far it has looked into a line. Without that line it would look there again, behind the end.
    fn begin_anew(&mut self) {
        *self = Self::new(self.limit);
    }
}

impl Decoder for LineDecoder {
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
            self.begin_anew();
        }
        Ok(line)
    }
}

/// The error of [`Lines`] and [`LineDecoder`]: why there is no next line.
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
