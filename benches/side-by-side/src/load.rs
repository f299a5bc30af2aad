//! A client that costs little: a few connections that stay open, one request on each, then one answer from each.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use regionguard_harness::Result;

use crate::mutual::{Mutual, Stream};
use crate::rules::HOST;

/// How many connections a listener is asked over: the proxy finds several requests whenever it looks.
const CONNECTIONS: usize = 16;
const PATIENCE: Duration = Duration::from_secs(20);

/// The open connections to one listener.
pub struct Lanes {
    lanes: Vec<Box<dyn Stream>>,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Lanes {
    /// Connects, over TLS where it is given.
    pub fn open(listener: SocketAddr, tls: Option<&Mutual>) -> Result<Self> {
        let open = || -> Result<Box<dyn Stream>> {
            let lane = TcpStream::connect(listener)?;
            lane.set_nodelay(true)?;
            lane.set_read_timeout(Some(PATIENCE))?;
            Ok(match tls {
                Some(tls) => Box::new(tls.over(lane)?),
                None => Box::new(lane),
            })
        };
        Ok(Self {
            lanes: (0..CONNECTIONS).map(|_| open()).collect::<Result<_>>()?,
            request: Vec::with_capacity(2048),
            answer: Vec::with_capacity(4096),
        })
    }

    /// Sends `count` requests, each written by `write` from its number.
    ///
    /// # Errors
    /// When an answer is not 200, or does not come.
    pub fn send(&mut self, count: usize, write: &dyn Fn(usize, &mut Vec<u8>)) -> Result<()> {
        let mut next = 0;
        while next < count {
            let sent = self.lanes.len().min(count - next);
            for lane in &mut self.lanes[..sent] {
                self.request.clear();
                write(next, &mut self.request);
                lane.write_all(&self.request)?;
                next += 1;
            }
            for lane in &mut self.lanes[..sent] {
                read_ok(&mut **lane, &mut self.answer)?;
            }
        }
        Ok(())
    }
}

/// Writes a request as an ordinary client sends it.
pub fn write_request(to: &mut Vec<u8>, path: &str, scheme: &str, token: &str, more: &str) {
    for part in [
        "GET ",
        path,
        " HTTP/1.1\r\nhost: ",
        HOST,
        "\r\nuser-agent: side-by-side/1.0\r\naccept: application/json\r\naccept-encoding: gzip\r\n\
         traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n",
        more,
        "authorization: ",
        scheme,
        " ",
        token,
        "\r\n\r\n",
    ] {
        to.extend_from_slice(part.as_bytes());
    }
}

/// Reads one answer that has a content length, and nothing behind it.
fn read_ok(lane: &mut dyn Stream, answer: &mut Vec<u8>) -> Result<()> {
    answer.clear();
    let mut chunk = [0; 4096];
    loop {
        let read = lane.read(&mut chunk)?;
        if read == 0 {
            return Err("the proxy closed a connection".into());
        }
        answer.extend_from_slice(&chunk[..read]);
        if let Some(total) = total_length(answer)
            && answer.len() >= total
        {
            break;
        }
    }
    if answer.starts_with(b"HTTP/1.1 200 ") {
        return Ok(());
    }
    Err(format!("an answer that is not 200: {}", String::from_utf8_lossy(answer)).into())
}

/// The bytes of head and body, once the head is complete.
fn total_length(answer: &[u8]) -> Option<usize> {
    const LENGTH: &[u8] = b"content-length: ";
    let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    let start = answer[..head].windows(LENGTH.len()).position(|bytes| bytes == LENGTH)? + LENGTH.len();
    let digits = answer[start..head].iter().take_while(|byte| byte.is_ascii_digit());
    let body = digits.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
    Some(head + body)
}

#[cfg(test)]
mod tests {
    use super::total_length;

    #[test]
    fn an_answer_is_as_long_as_its_head_says() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\nserver: envoy\r\n\r\nok";
        assert_eq!(total_length(answer), Some(answer.len() + 10));
        assert_eq!(total_length(&answer[..30]), None, "the head is not complete");
    }
}
