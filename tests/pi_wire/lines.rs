//! Bytes as lines, and lines that are no records.

use super::Pi;
use turnwise::pi::wire::{BytesMut, Decoder, LineError, Lines};

#[test]
fn what_pi_does_not_write_is_an_error() {
    for line in [
        "x",
        "{",
        "[]",
        "1",
        "null",
        "{}",
        "{\"type\":1}",
        "\u{FEFF}{}",
        "{\"type\":\"response\"}",
        "{\"type\":\"response\",\"id\":1,\"success\":true}",
        "{\"type\":\"message_end\"}",
        "{\"type\":\"message_end\",\"message\":{\"role\":\"assistant\"}}",
        "{\"type\":\"extension_ui_request\",\"method\":\"confirm\"}",
        "{\"type\":\"agent_settled\",\"aborted\":1}",
        // What we wrote did not arrive as it was written.
        "{\"type\":\"response\",\"command\":\"parse\",\"success\":false,\"error\":\"Failed to parse command\"}",
    ] {
        let mut pi = Pi::working();
        let error = pi.0.line(line.as_bytes()).expect_err(line);
        assert!(!error.is_empty() && error.len() < 500, "{error}");
    }
    let mut pi = Pi::working();
    for line in [&b"\xFF\xFE"[..], &[b'['; 100_000], &[0; 1000]] {
        let error = pi.0.line(line).expect_err("it is no record");
        assert!(error.len() < 1000, "bounded: {}", error.len());
    }
    // A newer pi may write more.
    for line in [
        "",
        " \r",
        "{\"type\":\"new\"}",
        "{\"type\":\"message_update\"}\r",
        "{\"type\":\"tool_execution_start\"}",
        "{\"type\":\"auto_retry_start\",\"attempt\":-1}",
        "{\"type\":\"extension_ui_request\",\"id\":\"x\",\"method\":\"new\"}",
        "{\"type\":\"response\",\"id\":\"nobody's\",\"success\":true}",
        "{\"type\":\"message_end\",\"message\":{\"role\":\"assistant\",\"stopReason\":\"stop\",\"usage\":7}}",
    ] {
        assert_eq!(pi.0.line(line.as_bytes()), Ok(()), "{line}");
    }
}

/// All lines of some bytes that come in pieces of this size, and what the end is.
fn lines(bytes: &[u8], limit: usize, piece: usize) -> (Vec<Vec<u8>>, Option<usize>) {
    let mut decoder = Lines::new(limit);
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
