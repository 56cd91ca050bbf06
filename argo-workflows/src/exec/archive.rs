//! Archives that artifacts are stored in: gzipped tar by default, or zip.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};

use super::layout::relative;

/// Most entries of an archive that is unpacked.
const MAX_ENTRIES: usize = 1 << 20;
/// Most bytes that unpacking an archive may give: 64 GiB.
const MAX_BYTES: u64 = 64 << 30;

/// Why an archive was not unpacked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// An entry would be written outside of the target.
    #[error("illegal file path: {0}")]
    Path(String),
    /// A link would lead outside of the target.
    #[error("illegal symlink target: {from} -> {to}")]
    Link {
        /// The entry.
        from: String,
        /// Where it points.
        to: String,
    },
    /// More entries or bytes than any artifact has.
    #[error("the archive holds more than {MAX_ENTRIES} entries or {MAX_BYTES} bytes")]
    TooLarge,
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Packs a file or directory; the archive holds one entry of its name. `level` is 0 to 9.
///
/// # Errors
/// When something can not be read or written.
pub fn pack(from: &Path, to: &Path, level: Option<u32>) -> io::Result<()> {
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let level = level.map_or_else(Compression::default, |it| Compression::new(it.min(9)));
    let gzip = GzEncoder::new(BufWriter::new(File::create(to)?), level);
    let mut builder = tar::Builder::new(gzip);
    builder.follow_symlinks(false);
    let name = from.file_name().map_or_else(|| PathBuf::from("."), PathBuf::from);
    // A path that is itself a link stands for what it points to.
    if std::fs::metadata(from)?.is_dir() {
        builder.append_dir_all(&name, from)?;
    } else {
        builder.append_file(&name, &mut File::open(from)?)?;
    }
    builder.into_inner()?.finish()?.flush()
}

/// Whether a file is a gzipped tar archive.
///
/// # Errors
/// When it can not be opened.
pub fn is_tarball(path: &Path) -> io::Result<bool> {
    let mut archive = tar::Archive::new(MultiGzDecoder::new(BufReader::new(File::open(path)?)));
    let Ok(mut entries) = archive.entries() else { return Ok(false) };
    Ok(matches!(entries.next(), Some(Ok(_))))
}

/// Unpacks an archive to `to`; an only entry takes that name itself.
///
/// # Errors
/// When an entry or a link leads out of the target, or reading or writing fails.
pub fn unpack(archive: &Path, to: &Path) -> Result<(), UnpackError> {
    open(archive, to, unpack_into)
}

/// Packs a file or directory into a zip archive.
///
/// # Errors
/// When something can not be read or written, or is larger than 4 GiB.
pub fn zip(from: &Path, to: &Path) -> io::Result<()> {
    super::zip::pack(from, to)
}

/// As [`unpack`], of a zip archive.
///
/// # Errors
/// As [`unpack`].
pub fn unzip(archive: &Path, to: &Path) -> Result<(), UnpackError> {
    open(archive, to, super::zip::unpack_into)
}

fn open(archive: &Path, to: &Path, from: fn(&Path, &Path) -> Result<(), UnpackError>) -> Result<(), UnpackError> {
    let mut folder = to.as_os_str().to_owned();
    folder.push(".tmpdir");
    let folder = PathBuf::from(folder);
    std::fs::create_dir_all(&folder)?;
    from(archive, &folder)?;
    replace(to)?;
    let mut entries = std::fs::read_dir(&folder)?;
    match (entries.next().transpose()?, entries.next()) {
        (Some(only), None) => {
            std::fs::rename(only.path(), to)?;
            std::fs::remove_dir(&folder)?;
        }
        _ => std::fs::rename(&folder, to)?,
    }
    Ok(())
}

/// Makes room for what is renamed to `to`: an empty directory there (a mount point's, say) goes.
fn replace(to: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(to) {
        Ok(it) if it.is_dir() => std::fs::remove_dir_all(to),
        Ok(_) => std::fs::remove_file(to),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn unpack_into(archive: &Path, folder: &Path) -> Result<(), UnpackError> {
    let mut archive = tar::Archive::new(MultiGzDecoder::new(BufReader::new(File::open(archive)?)));
    let folder = folder.canonicalize()?;
    let mut bytes = 0_u64;
    for (count, entry) in archive.entries()?.enumerate() {
        let mut entry = entry?;
        let name = entry.path()?.display().to_string();
        let inner = relative(&name).ok_or_else(|| UnpackError::Path(name.clone()))?;
        if inner.as_os_str().is_empty() {
            continue;
        }
        bytes = bytes.saturating_add(entry.size());
        if count >= MAX_ENTRIES || bytes > MAX_BYTES {
            return Err(UnpackError::TooLarge);
        }
        let target = folder.join(&inner);
        let parent = target.parent().unwrap_or(&folder);
        std::fs::create_dir_all(parent)?;
        if !parent.canonicalize()?.starts_with(&folder) {
            return Err(UnpackError::Path(name));
        }
        match entry.header().entry_type() {
            tar::EntryType::Directory => {
                std::fs::create_dir_all(&target)?;
            }
            tar::EntryType::Symlink => {
                let link = entry.link_name()?.map(|it| it.display().to_string()).unwrap_or_default();
                let inside = !link.starts_with('/')
                    && inner.parent().is_some_and(|it| relative(&format!("{}/{link}", it.display())).is_some());
                if !inside {
                    return Err(UnpackError::Link { from: name, to: link });
                }
                std::os::unix::fs::symlink(&link, &target)?;
            }
            tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => {
                if std::fs::symlink_metadata(&target).is_ok_and(|it| it.is_symlink()) {
                    return Err(UnpackError::Path(name));
                }
                let mut file = File::create(&target)?;
                io::copy(&mut entry.by_ref().take(MAX_BYTES), &mut file)?;
                if let Ok(mode) = entry.header().mode() {
                    use std::os::unix::fs::PermissionsExt;
                    file.set_permissions(std::fs::Permissions::from_mode(mode & 0o777))?;
                }
            }
            // Devices, pipes and hard links are nobody's artifact.
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(dir: &Path, fill: impl FnOnce(&mut tar::Builder<GzEncoder<File>>)) -> PathBuf {
        let path = dir.join("a.tgz");
        let mut builder = tar::Builder::new(GzEncoder::new(File::create(&path).unwrap(), Compression::fast()));
        fill(&mut builder);
        builder.into_inner().unwrap().finish().unwrap();
        path
    }

    fn entry(builder: &mut tar::Builder<GzEncoder<File>>, name: &str, kind: tar::EntryType, link: Option<&str>) {
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(0);
        if let Some(link) = link {
            header.set_link_name(link).unwrap();
        }
        header.set_cksum();
        builder.append(&header, io::empty()).unwrap();
    }

    #[test]
    fn a_file_and_a_directory_come_back_under_the_name_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("d/sub")).unwrap();
        std::fs::write(dir.path().join("d/sub/f"), "x").unwrap();
        let packed = dir.path().join("d.tgz");
        pack(&dir.path().join("d"), &packed, None).unwrap();
        assert!(is_tarball(&packed).unwrap());
        unpack(&packed, &dir.path().join("back")).unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join("back/sub/f")).unwrap(), "x");
        pack(&dir.path().join("d/sub/f"), &packed, Some(0)).unwrap();
        unpack(&packed, &dir.path().join("file")).unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join("file")).unwrap(), "x");
        assert!(!is_tarball(&dir.path().join("file")).unwrap());
    }

    #[test]
    fn what_leads_out_of_the_target_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let up = archive(dir.path(), |it| entry(it, "../evil", tar::EntryType::Regular, None));
        assert!(matches!(unpack(&up, &dir.path().join("1")), Err(UnpackError::Path(_))));
        let link = archive(dir.path(), |it| entry(it, "l", tar::EntryType::Symlink, Some("../../etc")));
        assert!(matches!(unpack(&link, &dir.path().join("2")), Err(UnpackError::Link { .. })));
        let absolute = archive(dir.path(), |it| entry(it, "l", tar::EntryType::Symlink, Some("/etc")));
        assert!(matches!(unpack(&absolute, &dir.path().join("3")), Err(UnpackError::Link { .. })));
        let through = archive(dir.path(), |it| {
            entry(it, "l", tar::EntryType::Symlink, Some("x"));
            entry(it, "l", tar::EntryType::Regular, None);
        });
        assert!(matches!(unpack(&through, &dir.path().join("4")), Err(UnpackError::Path(_))));
        assert!(!dir.path().join("evil").exists());
    }
}
