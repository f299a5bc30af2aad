//! HTTP/1.1 messages as bytes, read without judging: a library would refuse the very things that tests send and expect.

use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// A request or a response, as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The request line or status line, without its line end.
    pub start_line: Vec<u8>,
    /// Names and values in order, values without the white space around them.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// The body, with chunks joined.
    pub body: Vec<u8>,
}

impl Message {
    /// The part of the start line with this index, split at spaces; empty where there is none.
    #[must_use]
    pub fn start_part(&self, index: usize) -> &[u8] {
        self.start_line
            .split(|byte| *byte == b' ')
            .nth(index)
            .unwrap_or_default()
    }

    /// The first value of the header `name`, ignoring case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let found = self
            .headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, value)| value.as_slice())
    }
}

/// Reads messages one after the other from a stream.
#[derive(Debug)]
pub struct Reader<S> {
    stream: S,
    buffer: Vec<u8>,
}

impl<S: AsyncRead + Unpin> Reader<S> {
    /// A reader over `stream`, of which nothing is read yet.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// The stream, for writing.
    pub fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The next request, or `None` where the peer has closed between requests.
    ///
    /// # Errors
    /// When the stream fails, ends inside a request, or has no HTTP on it.
    pub async fn request(&mut self) -> Result<Option<Message>> {
        let Some(mut message) = self.head().await? else {
            return Ok(None);
        };
        message.body = match Framing::of(&message)? {
            Framing::Chunked => self.chunks().await?,
            Framing::Length(length) => self.take(length).await?,
            Framing::None => Vec::new(),
        };
        Ok(Some(message))
    }

    /// The next response, or `None` where the peer has closed without one. A body without a length ends with the stream.
    ///
    /// # Errors
    /// When the stream fails, ends inside a response, or has no HTTP on it.
    pub async fn response(&mut self) -> Result<Option<Message>> {
        let Some(mut message) = self.head().await? else {
            return Ok(None);
        };
        message.body = match (message.start_part(1), Framing::of(&message)?) {
            (b"204" | b"304", _) => Vec::new(),
            (_, Framing::Chunked) => self.chunks().await?,
            (_, Framing::Length(length)) => self.take(length).await?,
            (_, Framing::None) => self.rest().await?,
        };
        Ok(Some(message))
    }

    async fn head(&mut self) -> Result<Option<Message>> {
        let end = loop {
            if let Some(end) = position(&self.buffer, b"\r\n\r\n") {
                break end;
            }
            if !self.fill().await? {
                return if self.buffer.is_empty() {
                    Ok(None)
                } else {
                    Err(ErrorKind::UnexpectedEof.into())
                };
            }
        };
        let head: Vec<u8> = self.buffer.drain(..end + 4).take(end).collect();
        let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let start_line = lines.next().unwrap_or_default().to_vec();
        let mut headers = Vec::new();
        for line in lines {
            let colon = position(line, b":").ok_or_else(|| invalid("a header line without a colon"))?;
            headers.push((line[..colon].to_vec(), line[colon + 1..].trim_ascii().to_vec()));
        }
        Ok(Some(Message {
            start_line,
            headers,
            body: Vec::new(),
        }))
    }

    async fn chunks(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line().await?;
            let size = line.split(|byte| *byte == b';').next().unwrap_or_default();
            let size = std::str::from_utf8(size)
                .ok()
                .and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
            let size = size.ok_or_else(|| invalid("a chunk without a size"))?;
            if size == 0 {
                while !self.line().await?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.take(size).await?);
            self.take(2).await?;
        }
    }

    async fn line(&mut self) -> Result<Vec<u8>> {
        loop {
            if let Some(end) = position(&self.buffer, b"\r\n") {
                return Ok(self.buffer.drain(..end + 2).take(end).collect());
            }
            self.need().await?;
        }
    }

    async fn take(&mut self, length: usize) -> Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.need().await?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    async fn rest(&mut self) -> Result<Vec<u8>> {
        while self.fill().await? {}
        Ok(std::mem::take(&mut self.buffer))
    }

    async fn need(&mut self) -> Result<()> {
        if self.fill().await? {
            Ok(())
        } else {
            Err(ErrorKind::UnexpectedEof.into())
        }
    }

    async fn fill(&mut self) -> Result<bool> {
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }
}

/// Bytes as text that shows each of them: printable ASCII as it is, anything else as `\xE9`.
#[must_use]
pub fn escaped(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| {
            if matches!(byte, b' '..=b'~') {
                char::from(*byte).to_string()
            } else {
                format!("\\x{byte:02X}")
            }
        })
        .collect()
}

enum Framing {
    None,
    Length(usize),
    Chunked,
}

impl Framing {
    fn of(message: &Message) -> Result<Self> {
        if message.header("transfer-encoding").is_some() {
            return Ok(Self::Chunked);
        }
        let Some(length) = message.header("content-length") else {
            return Ok(Self::None);
        };
        let length = std::str::from_utf8(length).ok().and_then(|length| length.parse().ok());
        length
            .map(Self::Length)
            .ok_or_else(|| invalid("a content-length that is no number"))
    }
}

fn position(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn invalid(what: &'static str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::{Reader, escaped};

    #[tokio::test]
    async fn messages_are_read_one_after_the_other_as_they_are() {
        let bytes = b"GET /a\\b HTTP/1.1\r\nx: caf\xE9\r\nHost: a\r\nhost: b\r\n\r\n\
            POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabcPUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
        let mut reader = Reader::new(&bytes[..]);
        let first = reader.request().await.unwrap().unwrap();
        assert_eq!(first.start_part(1), b"/a\\b");
        assert_eq!(first.headers.len(), 3);
        assert_eq!(first.header("X"), Some(&b"caf\xE9"[..]));
        assert_eq!(reader.request().await.unwrap().unwrap().body, b"abc");
        assert_eq!(reader.request().await.unwrap().unwrap().body, b"abcd");
        assert_eq!(reader.request().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_message_that_breaks_off_is_an_error() {
        for bytes in [
            "GET / HTTP/1.1\r\nx",
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc",
            "x\r\nno colon\r\n\r\n",
        ] {
            assert!(Reader::new(bytes.as_bytes()).response().await.is_err(), "{bytes}");
        }
        let open = Reader::new(&b"HTTP/1.1 200 OK\r\n\r\nuntil the end"[..])
            .response()
            .await
            .unwrap()
            .unwrap();
        assert_eq!(open.body, b"until the end");
    }

    #[test]
    fn each_byte_is_shown() {
        assert_eq!(escaped(b"a \xE9\n"), "a \\xE9\\x0A");
    }
}
