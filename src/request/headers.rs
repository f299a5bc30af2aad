//! The headers of a request, read in place from the block that a proxy-wasm host hands in.
//!
//! The block (proxy-wasm ABI, "serialized pairs"): a count, then a pair of lengths (name, value) for each header, all of them 32-bit
//! little-endian; then each name and each value, with a NUL behind it that the lengths leave out. Names and values are any bytes: an
//! SDK that makes them UTF-8 strings traps on the first byte that is not.

use super::HeadersError;

/// Most header lines of one request: what Envoy's own limit for pairs is.
const MAX_LINES: usize = 1024;
/// Largest block, in bytes.
const MAX_BYTES: usize = 1 << 20;
/// Two lengths of four bytes each.
const LENGTHS: usize = 8;

/// A block of serialized headers whose lengths were checked: reading it allocates nothing, copies nothing and cannot fail.
#[derive(Debug, Clone, Copy)]
pub struct Headers<'a> {
    lengths: &'a [u8],
    text: &'a [u8],
}

impl Headers<'_> {
    /// No headers at all.
    pub const NONE: Self = Self {
        lengths: &[],
        text: &[],
    };
}

impl<'a> Headers<'a> {
    /// Checks a block. No bytes at all are no headers, as a host without any says it.
    ///
    /// # Errors
    /// A count or a length that does not fit the block, bytes left over, a name or value without its NUL; more than 1,024 lines or 1 MiB.
    pub fn parse(block: &'a [u8]) -> Result<Self, HeadersError> {
        if block.is_empty() {
            return Ok(Self {
                lengths: &[],
                text: &[],
            });
        }
        if block.len() > MAX_BYTES {
            return Err(HeadersError::TooLarge);
        }
        let (count, rest) = block.split_first_chunk().ok_or(HeadersError::Broken)?;
        let count = usize::try_from(u32::from_le_bytes(*count)).map_err(|_| HeadersError::TooMany)?;
        if count > MAX_LINES {
            return Err(HeadersError::TooMany);
        }
        let (lengths, text) = rest
            .split_at_checked(count.saturating_mul(LENGTHS))
            .ok_or(HeadersError::Broken)?;
        check_text(lengths, text).ok_or(HeadersError::Broken)?;
        Ok(Self { lengths, text })
    }

    /// The name and value of each header line, in the order received, repeated ones included.
    #[must_use]
    pub fn iter(&self) -> HeadersIter<'a> {
        HeadersIter {
            lengths: self.lengths,
            text: self.text,
        }
    }

    /// The block, for who keeps it.
    #[must_use]
    pub fn to_block(&self) -> Vec<u8> {
        let mut block = Vec::with_capacity(self.block_len());
        block.extend_from_slice(&length(self.len()));
        block.extend_from_slice(self.lengths);
        block.extend_from_slice(self.text);
        block
    }

    /// The bytes of that block.
    #[must_use]
    pub fn block_len(&self) -> usize {
        self.lengths
            .len()
            .saturating_add(self.text.len())
            .saturating_add(size_of::<u32>())
    }

    /// How many header lines there are, pseudo-headers included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lengths.len() / LENGTHS
    }

    /// Whether there is not a single header line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// The values of all lines of this name, whose letter case does not count, in the order received.
    pub fn values<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.iter()
            .filter(move |(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }
}

impl<'a> IntoIterator for &Headers<'a> {
    type Item = (&'a [u8], &'a [u8]);
    type IntoIter = HeadersIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Iterates over the names and values of [`Headers`].
#[derive(Debug, Clone)]
pub struct HeadersIter<'a> {
    lengths: &'a [u8],
    text: &'a [u8],
}

impl<'a> Iterator for HeadersIter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    // INVARIANT: `Headers::parse` walked these same lengths to the end of the text, so `None` means the end and nothing else.
    fn next(&mut self) -> Option<Self::Item> {
        let (name_len, value_len, lengths) = split_lengths(self.lengths)?;
        let (name, text) = split_terminated(self.text, name_len)?;
        let (value, text) = split_terminated(text, value_len)?;
        (self.lengths, self.text) = (lengths, text);
        Some((name, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let lines = self.lengths.len() / LENGTHS;
        (lines, Some(lines))
    }
}

impl ExactSizeIterator for HeadersIter<'_> {}

/// Serializes header lines into a block: for hosts that hold headers in another form, and for tests.
///
/// A name or value of 4 GiB or more, whose length the format cannot hold, makes a block that [`Headers::parse`] refuses.
#[must_use]
pub fn encode(lines: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut block = length(lines.len()).to_vec();
    for (name, value) in lines {
        block.extend_from_slice(&length(name.len()));
        block.extend_from_slice(&length(value.len()));
    }
    for (name, value) in lines {
        block.extend_from_slice(name);
        block.push(0);
        block.extend_from_slice(value);
        block.push(0);
    }
    block
}

fn length(len: usize) -> [u8; 4] {
    u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes()
}

/// Walks all lengths; `None` unless they end exactly where the text does.
fn check_text(mut lengths: &[u8], mut text: &[u8]) -> Option<()> {
    while !lengths.is_empty() {
        let (name_len, value_len, rest) = split_lengths(lengths)?;
        (_, text) = split_terminated(text, name_len)?;
        (_, text) = split_terminated(text, value_len)?;
        lengths = rest;
    }
    text.is_empty().then_some(())
}

fn split_lengths(lengths: &[u8]) -> Option<(usize, usize, &[u8])> {
    let (name_len, rest) = lengths.split_first_chunk()?;
    let (value_len, rest) = rest.split_first_chunk()?;
    let name_len = usize::try_from(u32::from_le_bytes(*name_len)).ok()?;
    let value_len = usize::try_from(u32::from_le_bytes(*value_len)).ok()?;
    Some((name_len, value_len, rest))
}

fn split_terminated(text: &[u8], len: usize) -> Option<(&[u8], &[u8])> {
    let (part, rest) = text.split_at_checked(len)?;
    match rest {
        [0, rest @ ..] => Some((part, rest)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
