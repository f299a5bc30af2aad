//! One HTTP/2 request of any header fields at all: frames written by hand, since no library would send them.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// The largest frame that every peer takes (RFC 9113 section 4.2).
const FRAME_MAX: usize = 16_384;

/// How the peer ended the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With a response.
    Answered,
    /// With RST_STREAM, GOAWAY, or by closing the connection.
    Refused,
}

/// Sends these header fields as one request without a body; `None` where the peer says nothing within 5 s.
pub async fn send(target: SocketAddr, fields: &[(&[u8], &[u8])]) -> Option<Ended> {
    let mut stream = TcpStream::connect(target).await.expect("a connection");
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    frame(&mut bytes, SETTINGS, 0, 0, &[]);
    frame(&mut bytes, SETTINGS, 1, 0, &[]);
    let block = block(fields);
    let mut parts = block.chunks(FRAME_MAX).peekable();
    let (mut kind, mut flags) = (HEADERS, END_STREAM);
    while let Some(part) = parts.next() {
        let last = if parts.peek().is_none() { END_HEADERS } else { 0 };
        frame(&mut bytes, kind, flags | last, 1, part);
        (kind, flags) = (CONTINUATION, 0);
    }
    stream.write_all(&bytes).await.expect("sent");
    tokio::time::timeout(Duration::from_secs(5), ended(&mut stream))
        .await
        .ok()
}

async fn ended(stream: &mut TcpStream) -> Ended {
    let mut answered = false;
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).await.is_err() {
            return if answered { Ended::Answered } else { Ended::Refused };
        }
        let [a, b, c, kind, flags, ..] = head;
        let mut payload = vec![0; usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)];
        if stream.read_exact(&mut payload).await.is_err() {
            return Ended::Refused;
        }
        answered |= kind == HEADERS;
        match kind {
            RST_STREAM | GOAWAY if !answered => return Ended::Refused,
            // HEADERS or DATA that ends the stream.
            0 | HEADERS if flags & END_STREAM != 0 => return Ended::Answered,
            _ => {}
        }
    }
}

fn frame(bytes: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).expect("a frame's size").to_be_bytes();
    bytes.extend_from_slice(&length[1..]);
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
}

/// HPACK literals without indexing, and without Huffman coding (RFC 7541 section 6.2.2).
fn block(fields: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            integer(&mut block, text.len());
            block.extend_from_slice(text);
        }
    }
    block
}

/// An integer with a prefix of seven bits (RFC 7541 section 5.1).
fn integer(block: &mut Vec<u8>, value: usize) {
    let low = |value: usize| value.to_le_bytes()[0];
    if value < 127 {
        return block.push(low(value));
    }
    block.push(127);
    let mut rest = value - 127;
    while rest >= 128 {
        block.push(low(rest % 128) | 128);
        rest /= 128;
    }
    block.push(low(rest));
}
