//! The pairs form of headers, as the host reads it.

/// A block of these pairs. Lengths over 4 GiB cannot occur: they would not fit the VM.
pub(crate) fn block<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    push_length(&mut bytes, pairs.clone().count());
    for (name, value) in pairs.clone() {
        push_length(&mut bytes, name.len());
        push_length(&mut bytes, value.len());
    }
    for (name, value) in pairs {
        for text in [name, value] {
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(0);
        }
    }
    bytes
}

fn push_length(bytes: &mut Vec<u8>, length: usize) {
    bytes.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}
