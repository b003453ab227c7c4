//! The tree of an image: the layers of an OCI image layout, one over the other, in a folder that goes when nobody looks at it any more.
//!
//! What an archive says is not believed: names never leave the folder, whatever links it has made before, and sums, sizes and forms are checked.

use std::env;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use flate2::read::MultiGzDecoder;
use oci_spec::image::{Arch, Descriptor, ImageConfiguration, ImageIndex, ImageManifest, MediaType, Os};
use sha2::{Digest, Sha256};
use tar::{Archive, Entry, EntryType};

use super::layout::{MARK, Start};
use crate::files::Scratch;
use crate::tree::Tree;

/// Bytes of a manifest, a configuration or an index: 4 MiB is the most that registries have to take.
const MOST_TEXT: u64 = 4 << 20;
/// Bytes that all layers of an image may have when they are unpacked, and names: what would be more is made to fill a disk.
const MOST_BYTES: u64 = 16 << 30;
const MOST_NAMES: usize = 2_000_000;
/// Bytes of a block of an archive
const BLOCK: u64 = 512;
/// How deep an index may stand in another.
const DEPTH: usize = 4;
/// Marks of what a layer takes away (image specification, "Whiteouts").
const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";
/// The annotation with an image's tag.
const TAG: &str = "org.opencontainers.image.ref.name";

/// An image, unpacked.
#[derive(Debug)]
pub struct Image {
    /// Its files
    pub tree: Tree,
    /// How it is started
    pub start: Start,
}

/// The image that `path` names, if it names one: `FOLDER` or `FOLDER:TAG`, or an archive of such a folder (`docker save` since 25, `podman save --format oci-archive`).
///
/// # Errors
/// It is an image that cannot be read.
pub fn open(path: &Path) -> Result<Option<Image>> {
    let context = || path.display().to_string();
    if path.is_file() {
        let outer = archived(path).with_context(context)?;
        return image(path, outer.path(), None).with_context(context).map(Some);
    }
    let Some((folder, tag)) = named(path) else {
        return Ok(None);
    };
    image(path, &folder, tag.as_deref()).with_context(context).map(Some)
}

/// The layout in an archive.
fn archived(path: &Path) -> Result<Scratch> {
    let folder = Scratch::new(&env::temp_dir())?;
    let mut unpacking = Unpacking {
        tree: Tree::open(folder.path())?,
        bytes: 0,
        names: 0,
    };
    unpacking
        .archive(File::open(path)?)
        .context("no folder, and no archive of an image")?;
    if !folder.path().join(MARK).is_file() {
        bail!("an archive without {MARK}; only archives of OCI image layouts are read");
    }
    Ok(folder)
}

/// The folder and the tag of a layout.
fn named(path: &Path) -> Option<(PathBuf, Option<String>)> {
    let is_layout = |folder: &Path| folder.join(MARK).is_file();
    if is_layout(path) {
        return Some((path.to_owned(), None));
    }
    let (folder, tag) = path.to_str()?.rsplit_once(':')?;
    is_layout(Path::new(folder)).then(|| (folder.into(), Some(tag.to_owned())))
}

fn image(called: &Path, folder: &Path, tag: Option<&str>) -> Result<Image> {
    let index: ImageIndex = serde_json::from_slice(&text(&folder.join("index.json"), MOST_TEXT)?)?;
    let manifest: ImageManifest = serde_json::from_slice(&blob(folder, &chosen(folder, &index, tag)?)?)?;
    let config: ImageConfiguration = serde_json::from_slice(&blob(folder, manifest.config())?)?;
    let place = Scratch::new(&env::temp_dir())?;
    let mut unpacking = Unpacking {
        tree: Tree::open(place.path())?,
        bytes: 0,
        names: 0,
    };
    for (number, layer) in (1..).zip(manifest.layers()) {
        let number: u32 = number;
        unpacking
            .layer(folder, layer)
            .with_context(|| format!("layer {number}"))?;
    }
    let tree = Tree::kept(place, called)?;
    let config = config.config().clone().unwrap_or_default();
    let start = Start {
        entrypoint: config.entrypoint().clone().unwrap_or_default(),
        cmd: config.cmd().clone().unwrap_or_default(),
        env: config.env().clone().unwrap_or_default(),
    };
    Ok(Image { tree, start })
}

/// The manifest of the image that is meant: the only one for this machine, or the one with the tag.
fn chosen(folder: &Path, index: &ImageIndex, tag: Option<&str>) -> Result<Descriptor> {
    let tag_of = |one: &Descriptor| one.annotations().as_ref().and_then(|all| all.get(TAG)).cloned();
    let tagged: Vec<&Descriptor> = index
        .manifests()
        .iter()
        .filter(|one| tag.is_none() || tag_of(one).as_deref() == tag)
        .collect();
    let tags: Vec<String> = index.manifests().iter().filter_map(tag_of).collect();
    match tagged.as_slice() {
        [] => bail!("no image with this tag; there are {}", tags.join(", ")),
        [one] => for_this_machine(folder, one, 0)?.context("no image for x86-64 and Linux"),
        _ if tag.is_none() && !tags.is_empty() => {
            bail!("more than one image; name one as FOLDER:TAG, of {}", tags.join(", "))
        }
        many => {
            for one in many {
                if let Some(found) = for_this_machine(folder, one, 0)? {
                    return Ok(found);
                }
            }
            bail!("no image for x86-64 and Linux")
        }
    }
}

/// The manifest behind a descriptor, which may be that of an index for many machines.
fn for_this_machine(folder: &Path, one: &Descriptor, depth: usize) -> Result<Option<Descriptor>> {
    let is_for_another = one
        .platform()
        .as_ref()
        .is_some_and(|platform| *platform.architecture() != Arch::Amd64 || *platform.os() != Os::Linux);
    if is_for_another {
        return Ok(None);
    }
    if *one.media_type() != MediaType::ImageIndex {
        return Ok(Some(one.clone()));
    }
    if depth == DEPTH {
        bail!("indexes in indexes");
    }
    let index: ImageIndex = serde_json::from_slice(&blob(folder, one)?)?;
    for one in index.manifests() {
        if let Some(found) = for_this_machine(folder, one, depth + 1)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn place(folder: &Path, blob: &Descriptor) -> Result<PathBuf> {
    let digest = blob
        .as_digest_sha256()
        .ok_or_else(|| anyhow!("{}: only SHA-256 is understood", blob.digest()))?;
    Ok(folder.join("blobs/sha256").join(digest))
}

/// A small file.
fn text(place: &Path, most: u64) -> Result<Vec<u8>> {
    let context = || format!("cannot read {}", place.display());
    let mut bytes = Vec::new();
    let file = File::open(place).with_context(context)?;
    file.take(most + 1).read_to_end(&mut bytes).with_context(context)?;
    if bytes.len() as u64 > most {
        bail!("{}: more than {most} bytes", place.display());
    }
    Ok(bytes)
}

/// A small blob, which has to be the one that its digest says.
fn blob(folder: &Path, blob: &Descriptor) -> Result<Vec<u8>> {
    let bytes = text(&place(folder, blob)?, MOST_TEXT)?;
    if blob.as_digest_sha256() != Some(scan::hex(&Sha256::digest(&bytes), "").as_str()) {
        bail!("{} is damaged: it has another digest", blob.digest());
    }
    Ok(bytes)
}

/// Layers on their way into a folder.
struct Unpacking {
    tree: Tree,
    bytes: u64,
    names: usize,
}

impl Unpacking {
    fn layer(&mut self, folder: &Path, layer: &Descriptor) -> Result<()> {
        let place = place(folder, layer)?;
        let file = File::open(&place).with_context(|| format!("cannot read {}", place.display()))?;
        let mut summed = Summing {
            from: file,
            sum: Sha256::new(),
        };
        let kind = layer.media_type().to_string();
        match () {
            () if kind.ends_with("gzip") => self.archive(MultiGzDecoder::new(&mut summed))?,
            () if kind.ends_with(".tar") => self.archive(&mut summed)?,
            () => bail!(
                "{kind} is not understood, only tar and tar with gzip; `skopeo copy` or `umoci` write others anew"
            ),
        }
        io::copy(&mut summed, &mut io::sink())?;
        if layer.as_digest_sha256() != Some(scan::hex(&summed.sum.finalize(), "").as_str()) {
            bail!("{} is damaged: it has another digest", layer.digest());
        }
        Ok(())
    }

    fn archive(&mut self, from: impl Read) -> Result<()> {
        // Some tools leave out what pads the last file and ends the archive.
        let end = io::repeat(0).take(3 * BLOCK);
        let mut archive = Archive::new(from.take(MOST_BYTES).chain(end));
        for entry in archive.entries()? {
            let mut entry = entry.context("the archive is damaged")?;
            self.names += 1;
            self.bytes = self.bytes.saturating_add(entry.size());
            if self.names > MOST_NAMES || self.bytes > MOST_BYTES {
                bail!("more than {MOST_NAMES} names or {MOST_BYTES} bytes; lode-tool unpacks no more");
            }
            let name = entry.path()?.into_owned();
            self.entry(&mut entry, &name)
                .with_context(|| name.display().to_string())?;
        }
        Ok(())
    }

    fn entry(&self, entry: &mut Entry<'_, impl Read>, name: &Path) -> Result<()> {
        let Some((folder, file)) = self.split(name)? else {
            return Ok(());
        };
        let text = file.to_string_lossy();
        if text == OPAQUE {
            return empty(&folder);
        }
        if let Some(gone) = text.strip_prefix(WHITEOUT) {
            return remove(&folder.join(gone));
        }
        let place = folder.join(&file);
        let kind = entry.header().entry_type();
        let mode = entry.header().mode()? & 0o777;
        match kind {
            EntryType::Directory if place.is_dir() && !place.is_symlink() => {}
            EntryType::Directory => {
                remove(&place)?;
                fs::create_dir(&place)?;
            }
            EntryType::Symlink => {
                remove(&place)?;
                let target = entry.link_name()?.context("a link without a target")?;
                symlink(&*target, &place)?;
            }
            EntryType::Link => {
                let target = entry.link_name()?.context("a link without a target")?;
                let (folder, file) = self.split(&target)?.context("a link to nothing")?;
                let target = folder.join(file);
                if target != place {
                    remove(&place)?;
                    fs::hard_link(target, &place)?;
                }
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                remove(&place)?;
                let mut options = fs::OpenOptions::new();
                // It has to be read by whoever asks, and removed again.
                let mut new = options.write(true).create_new(true).mode(0o600).open(&place)?;
                io::copy(entry, &mut new)?;
                new.set_permissions(fs::Permissions::from_mode(mode | 0o600))?;
            }
            // Devices and pipes: no program or library.
            _ => {}
        }
        Ok(())
    }

    /// Where a name of the archive goes: its folder, made if it is not there, without links, and its last part. `None` for the root itself.
    fn split(&self, name: &Path) -> Result<Option<(PathBuf, std::ffi::OsString)>> {
        let mut parts = Vec::new();
        for part in name.components() {
            match part {
                Component::Normal(part) => parts.push(part.to_owned()),
                Component::ParentDir => bail!("a name with `..`"),
                _ => {}
            }
        }
        let Some(last) = parts.pop() else { return Ok(None) };
        let mut folder = PathBuf::from("/");
        for part in parts {
            let next = folder.join(part);
            folder = match self.tree.resolve(&next) {
                Ok(found) => found,
                Err(_) => {
                    let outside = self.tree.outside(&next);
                    remove(&outside)?;
                    fs::create_dir(&outside)?;
                    next
                }
            };
            if !self.tree.outside(&folder).is_dir() {
                bail!("{} is no folder", folder.display());
            }
        }
        Ok(Some((self.tree.outside(&folder), last)))
    }
}

/// Removes whatever a name stands for. Links are not followed.
fn remove(place: &Path) -> Result<()> {
    match fs::symlink_metadata(place) {
        Ok(known) if known.is_dir() => fs::remove_dir_all(place)?,
        Ok(_) => fs::remove_file(place)?,
        Err(_) => {}
    }
    Ok(())
}

fn empty(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        remove(&entry?.path())?;
    }
    Ok(())
}

/// What is read, summed on the way.
struct Summing<R> {
    from: R,
    sum: Sha256,
}

impl<R: Read> Read for Summing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.sum.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tar::{Builder, Header};
    use temp_dir::TempDir;

    /// An archive of entries: kind, name, target or content.
    fn archive(entries: &[(EntryType, &str, &str)]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (kind, name, content) in entries {
            let mut header = Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o755);
            header.set_size(0);
            // Whoever builds an archive well refuses such names.
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            match kind {
                EntryType::Symlink | EntryType::Link => {
                    header.as_old_mut().linkname[..content.len()].copy_from_slice(content.as_bytes());
                }
                _ => header.set_size(content.len() as u64),
            }
            header.set_cksum();
            builder
                .append(&header, content.as_bytes().take(header.size().unwrap()))
                .unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn unpacked(archives: &[Vec<u8>]) -> (TempDir, Result<()>) {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("root")).unwrap();
        let mut unpacking = Unpacking {
            tree: Tree::open(&folder.path().join("root")).unwrap(),
            bytes: 0,
            names: 0,
        };
        let result = archives.iter().try_for_each(|bytes| unpacking.archive(&**bytes));
        (folder, result)
    }

    const FILE: EntryType = EntryType::Regular;
    const LINK: EntryType = EntryType::Symlink;

    #[test]
    fn no_name_leaves_the_folder() {
        let (folder, result) = unpacked(&[archive(&[(FILE, "../out", "x")])]);
        assert!(format!("{:#}", result.unwrap_err()).contains("`..`"));
        assert!(!folder.path().join("out").exists());
        let escape = [
            (LINK, "a", "../.."),
            (FILE, "a/out", "x"),
            (LINK, "b", "/"),
            (FILE, "b/etc/out", "y"),
        ];
        let (folder, result) = unpacked(&[archive(&escape)]);
        result.unwrap();
        assert_eq!(fs::read(folder.path().join("root/out")).unwrap(), b"x");
        assert_eq!(fs::read(folder.path().join("root/etc/out")).unwrap(), b"y");
        let (_, result) = unpacked(&[archive(&[(EntryType::Link, "a", "../../etc/passwd")])]);
        assert!(result.is_err());
    }

    #[test]
    fn a_file_is_written_over_a_link_and_not_through_it() {
        let (folder, result) = unpacked(&[archive(&[(FILE, "kept", "1"), (LINK, "a", "kept"), (FILE, "a", "2")])]);
        result.unwrap();
        assert_eq!(fs::read(folder.path().join("root/kept")).unwrap(), b"1");
    }

    #[test]
    fn a_layer_takes_away_what_it_marks() {
        let first = archive(&[(FILE, "d/one", "1"), (FILE, "d/two", "2"), (FILE, "e/three", "3")]);
        let second = archive(&[
            (FILE, "d/.wh.one", ""),
            (FILE, "e/.wh..wh..opq", ""),
            (FILE, "e/four", "4"),
        ]);
        let (folder, result) = unpacked(&[first, second]);
        result.unwrap();
        let is_there = |name: &str| folder.path().join("root").join(name).exists();
        assert_eq!(
            ["d/one", "d/two", "e/three", "e/four"].map(is_there),
            [false, true, false, true]
        );
    }

    #[test]
    fn damaged_archives_are_errors() {
        let whole = archive(&[(FILE, "a", "text"), (LINK, "b", "a")]);
        for seed in 0..2000_usize {
            let mut bytes = whole.clone();
            let at = seed * 7919 % bytes.len();
            bytes[at] ^= (seed % 255) as u8 + 1;
            // Whatever comes out, nothing leaves the folder, and nothing panics.
            let (folder, _) = unpacked(&[bytes]);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }
}
