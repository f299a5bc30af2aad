//! Standard output.

use std::io::{self, Write as _};

/// Prints `text`. Whoever reads only its first lines, and closes the pipe then, has read what they wanted.
///
/// # Errors
/// When it cannot be written for another reason, such as a disk that is full.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
