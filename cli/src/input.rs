//! What is read beside documents: claims, a device, keys.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// The most that such a file may have, in bytes: far more than any token, device or set of keys that the filter takes.
const MOST: u64 = 1 << 20;

/// The text at `path`, which may be a pipe.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn text(path: impl AsRef<Path>) -> Result<String, String> {
    up_to(path.as_ref(), MOST)
}

/// The text of `most` bytes at most at `path`, which may be a pipe, or `-` for standard input.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn up_to(path: &Path, most: u64) -> Result<String, String> {
    let cannot = |why: &str| format!("cannot read `{}`: {why}", path.display());
    let mut bytes = Vec::new();
    let read = if path.as_os_str() == "-" {
        io::stdin().lock().take(most + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| cannot(&error.to_string()))?;
    if bytes.len() as u64 > most {
        return Err(format!("`{}` is too large: {most} bytes at most", path.display()));
    }
    String::from_utf8(bytes).map_err(|_| cannot("it is not valid UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::{MOST, text, up_to};

    #[test]
    fn a_file_has_a_largest_size() {
        let folder = std::env::temp_dir().join(format!("regionguard-input-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("claims.json");
        let most = usize::try_from(MOST).expect("a small number");
        std::fs::write(&file, "x".repeat(most)).expect("a file");
        assert_eq!(text(&file).map(|text| text.len()), Ok(most));
        std::fs::write(&file, "x".repeat(most + 1)).expect("a file");
        let refused = text(&file).expect_err("too large");
        assert!(refused.ends_with("is too large: 1048576 bytes at most"), "{refused}");
        assert_eq!(up_to(&file, MOST + 1).map(|text| text.len()), Ok(most + 1));
        std::fs::write(&file, b"\xFF").expect("a file");
        let refused = text(&file).expect_err("no text");
        assert!(refused.ends_with("it is not valid UTF-8"), "{refused}");
        std::fs::remove_dir_all(&folder).expect("it is removed");
    }
}
