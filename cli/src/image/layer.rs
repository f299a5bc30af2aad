//! The one layer: a tar of the files, gzipped, with nothing in it that differs from one build to the next.

use flate2::{Compression, GzBuilder};

use super::Result;

/// A file of the layer or of an archive.
pub(super) struct File {
    path: String,
    content: Vec<u8>,
}

impl File {
    /// `path` is relative, with `/` between folders.
    pub(super) fn new(path: &str, content: &[u8]) -> Self {
        Self {
            path: path.to_owned(),
            content: content.to_owned(),
        }
    }
}

/// The layer's bytes.
pub(super) struct Layer {
    /// As it is stored and sent.
    pub(super) packed: Vec<u8>,
    /// What the configuration's `diff_ids` are of.
    pub(super) tar: Vec<u8>,
}

/// Packs `files` in the order of their paths.
pub(super) fn pack(files: &[File], seconds: u64) -> Result<Layer> {
    let tar = tar(files, seconds)?;
    Ok(Layer {
        packed: gzip(&tar).map_err(cannot_pack)?,
        tar,
    })
}

/// A POSIX tar of `files` in the order of their paths: mode 0644, owner 0, time `seconds`.
pub(super) fn tar(files: &[File], seconds: u64) -> Result<Vec<u8>> {
    let mut sorted: Vec<&File> = files.iter().collect();
    sorted.sort_by(|one, other| one.path.cmp(&other.path));
    let mut tar = tar::Builder::new(Vec::new());
    for file in sorted {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_mtime(seconds);
        header.set_uid(0);
        header.set_gid(0);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(file.content.len() as u64);
        tar.append_data(&mut header, &file.path, file.content.as_slice())
            .map_err(cannot_pack)?;
    }
    tar.into_inner().map_err(cannot_pack)
}

/// No name, no time, and no system (255) in the head (RFC 1952, 2.3).
fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    const UNKNOWN: u8 = 255;
    let head = GzBuilder::new().mtime(0).operating_system(UNKNOWN);
    let mut packer = head.write(Vec::new(), Compression::best());
    std::io::Write::write_all(&mut packer, bytes)?;
    packer.finish()
}

fn cannot_pack(error: std::io::Error) -> String {
    format!("cannot pack the layer: {error}")
}

#[cfg(test)]
mod tests {
    use super::{File, pack};
    use crate::image::sha256;

    /// A change of the compressor or of the tar changes the digest of every image, and has to be meant.
    #[test]
    fn the_layer_is_the_same_to_the_byte_as_ever() {
        let words: Vec<u8> = (0..40_000_u32)
            .flat_map(|n| (n % 251 * (n % 7)).to_string().into_bytes())
            .collect();
        let files = [File::new("b/two", b"2"), File::new("a", &words)];
        let layer = pack(&files, 7).unwrap();
        assert_eq!(layer.packed[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255]);
        assert_eq!(
            sha256(&layer.tar),
            "00a65ca414beb35525ab90b260df92b4caf1d0bfdcde48d79b4fd97ecd65b3b4"
        );
        assert_eq!(
            sha256(&layer.packed),
            "9de693c477018c5db9536417da37e4cb4c90dff724a4a81ade65203e34f86fa9"
        );
    }
}
