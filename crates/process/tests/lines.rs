//! Bytes as lines.

// A test that hangs fails within a minute, and is named.
#[macro_use]
extern crate deadline_attribute;

use tokio_util::{bytes::BytesMut, codec::Decoder};
use turnwise_process::{LineDecoder, LineError};

/// All lines of some bytes that come in pieces of this size, and what the end is.
fn lines(bytes: &[u8], limit: usize, piece: usize) -> (Vec<Vec<u8>>, Option<usize>) {
    let mut decoder = LineDecoder::new(limit);
    let (mut read, mut lines) = (BytesMut::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        read.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut read) {
                Ok(Some(line)) => lines.push(line.to_vec()),
                Ok(None) => break,
                Err(LineError::TooLong(limit)) => return (lines, Some(limit)),
                Err(LineError::Io(error)) => panic!("nothing was read: {error}"),
            }
        }
        assert!(read.len() <= limit, "it keeps {} bytes", read.len());
    }
    while let Some(line) = decoder.decode_eof(&mut read).expect("it is short enough") {
        lines.push(line.to_vec());
    }
    assert!(read.is_empty());
    (lines, None)
}

#[test]
fn a_line_ends_with_its_lf_alone() {
    let text = "a\u{2028}b\u{2029}\u{85}c\r\n\n\0\nwas cut";
    let expected = ["a\u{2028}b\u{2029}\u{85}c\r", "", "\0"];
    let expected: Vec<Vec<u8>> = expected.map(|line| line.as_bytes().to_vec()).into();
    for piece in [1, 2, 3, 7, 100] {
        assert_eq!(lines(text.as_bytes(), 50, piece), (expected.clone(), None));
    }
}

#[test]
fn a_line_has_its_limit() {
    for piece in [1, 4, 5, 6, 100] {
        assert_eq!(lines(b"12345\n12345\n", 5, piece).1, None);
        let short = vec![b"ok".to_vec()];
        assert_eq!(lines(b"ok\n123456\nok\n", 5, piece), (short, Some(5)));
        assert_eq!(lines(b"123456", 5, piece), (vec![], Some(5)));
    }
    let (empty, end) = lines(b"\n\n", 0, 1);
    assert_eq!((empty.len(), end), (2, None));
    assert_eq!(lines(b"x", 0, 1).1, Some(0));
}

/// It goes with the line, however long the process lives.
#[test]
fn a_long_line_leaves_no_room_behind() {
    let mut lines = LineDecoder::new(64 << 20);
    let mut read = BytesMut::from(&vec![b'x'; 20 << 20][..]);
    assert!(lines.decode(&mut read).expect("it may go on").is_none());
    read.reserve(12 << 20);
    read.extend_from_slice(b"\nnext");
    let line = lines.decode(&mut read).expect("it is a line");
    assert_eq!(line.map(|line| line.len()), Some(20 << 20));
    assert!(
        read.capacity() < 1 << 20,
        "{} bytes are kept",
        read.capacity()
    );
    read.extend_from_slice(b" one\n");
    let line = lines.decode(&mut read).expect("it is a line");
    assert_eq!(line.as_deref(), Some(&b"next one"[..]));
}

#[test]
fn an_error_names_the_limit() {
    let error = LineDecoder::new(5).decode(&mut BytesMut::from("123456"));
    let error = error.expect_err("it is too long");
    assert_eq!(error.to_string(), "a line is longer than 5 bytes");
}

/// Behind an end there may be more, as in a file that grows.
#[test]
fn a_decoder_goes_on_behind_an_end() {
    let mut lines = LineDecoder::new(50);
    let mut read = BytesMut::from("was cut");
    let cut = lines.decode_eof(&mut read).expect("it is short");
    assert_eq!(cut, None);
    read.extend_from_slice(b"a\n");
    let line = lines.decode(&mut read).expect("it is short");
    assert_eq!(line.as_deref(), Some(&b"a"[..]));
}
