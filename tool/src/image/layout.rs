//! An image as engines read it: a folder in the form of the OCI image specification ("Image Layout"), with one layer.
//!
//! The bytes depend on the contents alone: entries are sorted, times and owners fixed, the header of gzip says nothing of when and where.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};
use oci_spec::image::{
    Arch, Config, ConfigBuilder, Descriptor, DescriptorBuilder, Digest as OciDigest, ImageConfigurationBuilder,
    ImageIndexBuilder, ImageManifestBuilder, MediaType, Os, PlatformBuilder, RootFsBuilder,
};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use super::contents::{Contents, Entry, outside};

/// Where the specification has the blobs.
const BLOBS: &str = "blobs/sha256";
/// The annotation that engines take for the image's tag ("Pre-Defined Annotation Keys").
const TAG: &str = "org.opencontainers.image.ref.name";
/// The file that says what the folder is.
pub const MARK: &str = "oci-layout";
/// Size of a digest's text in bytes: its algorithm and 64 digits.
const ALGORITHM: &str = "sha256:";

/// How the image's program is started.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// The program
    pub entrypoint: Vec<String>,
    /// Its arguments, unless others are given
    pub cmd: Vec<String>,
    /// `NAME=VALUE`
    pub env: Vec<String>,
}

impl Start {
    /// The value of a variable, if it is set to something.
    pub fn variable(&self, name: &str) -> Option<&str> {
        let mut set = self.env.iter().filter_map(|one| one.split_once('='));
        let (_, value) = set.find(|(one, _)| *one == name)?;
        Some(value).filter(|value| !value.is_empty())
    }

    fn config(&self) -> Result<Config> {
        let config = ConfigBuilder::default()
            .env(self.env.clone())
            .entrypoint(self.entrypoint.clone());
        let config = match self.cmd.is_empty() {
            true => config,
            false => config.cmd(self.cmd.clone()),
        };
        Ok(config.build()?)
    }
}

/// Writes the image into an empty folder; its files stand written in `staged`. `time`, in seconds since 1970, is that of every file.
///
/// # Errors
/// A file cannot be read or written.
pub fn write(folder: &Path, staged: &Path, contents: &Contents, start: &Start, tag: &str, time: u64) -> Result<()> {
    fs::create_dir_all(folder.join(BLOBS)).with_context(|| format!("cannot write {}", folder.display()))?;
    let (layer, layer_tar) = layer(folder, staged, contents, time)?;
    let config = ImageConfigurationBuilder::default()
        .architecture(Arch::Amd64)
        .os(Os::Linux)
        .config(start.config()?)
        .rootfs(
            RootFsBuilder::default()
                .typ("layers")
                .diff_ids(vec![layer_tar])
                .build()?,
        )
        .build()?;
    let config = blob(folder, MediaType::ImageConfig, &serde_json::to_vec(&config)?)?;
    let manifest = ImageManifestBuilder::default()
        .schema_version(2u32)
        .media_type(MediaType::ImageManifest)
        .config(config)
        .layers(vec![layer])
        .build()?;
    let mut manifest = blob(folder, MediaType::ImageManifest, &serde_json::to_vec(&manifest)?)?;
    let platform = PlatformBuilder::default()
        .architecture(Arch::Amd64)
        .os(Os::Linux)
        .build()?;
    manifest.set_platform(Some(platform));
    manifest.set_annotations(Some(HashMap::from([(TAG.to_owned(), tag.to_owned())])));
    let index = ImageIndexBuilder::default()
        .schema_version(2u32)
        .media_type(MediaType::ImageIndex)
        .manifests(vec![manifest])
        .build()?;
    fs::write(folder.join("index.json"), serde_json::to_vec(&index)?)?;
    // Last: a folder without it is no image.
    fs::write(folder.join(MARK), br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    Ok(())
}

/// Writes a small blob.
fn blob(folder: &Path, kind: MediaType, bytes: &[u8]) -> Result<Descriptor> {
    let digest = scan::hex(&Sha256::digest(bytes), "");
    let place = folder.join(BLOBS).join(&digest);
    fs::write(&place, bytes).with_context(|| format!("cannot write {}", place.display()))?;
    descriptor(kind, bytes.len() as u64, &digest)
}

fn descriptor(kind: MediaType, size: u64, digest: &str) -> Result<Descriptor> {
    let digest: OciDigest = format!("{ALGORITHM}{digest}").parse()?;
    Ok(DescriptorBuilder::default()
        .media_type(kind)
        .size(size)
        .digest(digest)
        .build()?)
}

/// Writes the layer; returns what describes it, and the digest of the archive before compression.
fn layer(folder: &Path, staged: &Path, contents: &Contents, time: u64) -> Result<(Descriptor, String)> {
    let place = folder.join(BLOBS).join("layer");
    let context = || format!("cannot write {}", place.display());
    let file = Summed::new(File::create_new(&place).with_context(context)?);
    // 255: no system in particular (RFC 1952).
    let gzip = GzBuilder::new()
        .mtime(0)
        .operating_system(255)
        .write(file, Compression::default());
    let mut archive = Builder::new(Summed::new(gzip));
    for (path, entry) in contents.iter() {
        append(&mut archive, staged, path, entry, time).with_context(context)?;
    }
    let (gzip, _, digest) = archive.into_inner().with_context(context)?.finish();
    let (_, size, compressed) = gzip.finish().with_context(context)?.finish();
    fs::rename(&place, place.with_file_name(&compressed)).with_context(context)?;
    let layer = descriptor(MediaType::ImageLayerGzip, size, &compressed)?;
    Ok((layer, format!("{ALGORITHM}{digest}")))
}

fn append(archive: &mut Builder<impl Write>, staged: &Path, path: &Path, entry: &Entry, time: u64) -> io::Result<()> {
    let name = path.strip_prefix("/").unwrap_or(path);
    if name.as_os_str().is_empty() {
        return Ok(());
    }
    let mut header = Header::new_gnu();
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(time);
    match entry {
        Entry::Folder(mode) => {
            header.set_entry_type(EntryType::Directory);
            header.set_mode(*mode);
            header.set_size(0);
            archive.append_data(&mut header, name, io::empty())
        }
        Entry::Link(target) => {
            header.set_entry_type(EntryType::Symlink);
            header.set_mode(0o777);
            header.set_size(0);
            archive.append_link(&mut header, name, target)
        }
        Entry::File(_, mode) => {
            let file = File::open(outside(staged, path))?;
            header.set_entry_type(EntryType::Regular);
            header.set_mode(*mode);
            header.set_size(file.metadata()?.len());
            archive.append_data(&mut header, name, file)
        }
    }
}

/// What is written, counted and summed on the way.
struct Summed<W> {
    to: W,
    size: u64,
    sum: Sha256,
}

impl<W> Summed<W> {
    fn new(to: W) -> Summed<W> {
        Summed {
            to,
            size: 0,
            sum: Sha256::new(),
        }
    }

    /// Where it went, how many bytes, and their digest in hexadecimal.
    fn finish(self) -> (W, u64, String) {
        (self.to, self.size, scan::hex(&self.sum.finalize(), ""))
    }
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.size += written as u64;
        self.sum.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
