//! Zip archives of up to 4 GiB, by the two methods that everybody has: stored and deflated.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    path::Path,
};

use flate2::{Compression, Crc, read::DeflateDecoder, write::DeflateEncoder};

use super::{archive::UnpackError, layout::relative};

/// Most entries of an archive.
const MAX_ENTRIES: usize = 0xFFFE;
/// Most bytes that unpacking an archive may give: 64 GiB.
const MAX_BYTES: u64 = 64 << 30;
const LOCAL: u32 = 0x0403_4b50;
const DESCRIPTOR: u32 = 0x0807_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
/// Names are UTF-8, and lengths stand behind the data.
const FLAGS: u16 = 1 << 3 | 1 << 11;
const DEFLATED: u16 = 8;
/// The first of January 1980: archives of the same files are the same.
const DATE: u16 = 0x21;

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("zip: {text}"))
}

fn too_large() -> io::Error {
    invalid("archives of more than 4 GiB or 65534 entries are not supported: use tar")
}

struct Counted<W> {
    inner: W,
    count: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.count += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

struct Entry {
    name: String,
    crc: u32,
    packed: u32,
    size: u32,
    mode: u32,
    at: u32,
}

/// Packs a file or directory: the archive holds the file under its name, or all files below the
/// directory's name.
///
/// # Errors
/// When something can not be read or written, or is too large.
pub(super) fn pack(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let mut out = Counted { inner: BufWriter::new(File::create(to)?), count: 0 };
    let base = from.file_name().map_or_else(|| "data".to_owned(), |it| it.to_string_lossy().into_owned());
    let mut entries = Vec::new();
    let mut open = vec![(from.to_owned(), base)];
    while let Some((path, name)) = open.pop() {
        // What a link points to may be anywhere: only the path itself may be one.
        let kind =
            if entries.is_empty() && path == from { std::fs::metadata(&path)? } else { path.symlink_metadata()? };
        if kind.is_dir() {
            let mut inner: Vec<_> = std::fs::read_dir(&path)?.collect::<io::Result<_>>()?;
            inner.sort_by_key(|it| std::cmp::Reverse(it.file_name()));
            open.extend(inner.iter().map(|it| (it.path(), format!("{name}/{}", it.file_name().to_string_lossy()))));
        } else if kind.is_file() {
            entries.push(add(&mut out, &path, name, &kind)?);
        }
    }
    if entries.len() > MAX_ENTRIES {
        return Err(too_large());
    }
    let start = out.count;
    for it in &entries {
        central(&mut out, it)?;
    }
    let size = small(out.count - start)?;
    let count = u16::try_from(entries.len()).map_err(|_| too_large())?;
    numbers(&mut out, &[(END, 4), (0, 2), (0, 2), (count.into(), 2), (count.into(), 2)])?;
    numbers(&mut out, &[(size, 4), (small(start)?, 4), (0, 2)])?;
    out.flush()
}

fn small(number: u64) -> io::Result<u32> {
    u32::try_from(number).ok().filter(|it| *it < u32::MAX).ok_or_else(too_large)
}

/// Little-endian numbers of two or four bytes.
fn numbers(out: &mut impl Write, list: &[(u32, usize)]) -> io::Result<()> {
    list.iter().try_for_each(|(number, width)| out.write_all(&number.to_le_bytes()[..*width]))
}

fn add(out: &mut Counted<BufWriter<File>>, path: &Path, name: String, meta: &std::fs::Metadata) -> io::Result<Entry> {
    use std::os::unix::fs::PermissionsExt as _;

    let at = small(out.count)?;
    let length = u16::try_from(name.len()).map_err(|_| invalid("a name is too long"))?;
    numbers(out, &[(LOCAL, 4), (20, 2), (FLAGS.into(), 2), (DEFLATED.into(), 2), (0, 2), (DATE.into(), 2)])?;
    numbers(out, &[(0, 4), (0, 4), (0, 4), (length.into(), 2), (0, 2)])?;
    out.write_all(name.as_bytes())?;
    let before = out.count;
    let mut crc = Crc::new();
    let mut size = 0_u64;
    let mut encoder = DeflateEncoder::new(&mut *out, Compression::default());
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        crc.update(&buffer[..read]);
        size += read as u64;
        encoder.write_all(&buffer[..read])?;
    }
    encoder.finish()?;
    let (packed, size) = (small(out.count - before)?, small(size)?);
    numbers(out, &[(DESCRIPTOR, 4), (crc.sum(), 4), (packed, 4), (size, 4)])?;
    Ok(Entry { name, crc: crc.sum(), packed, size, mode: meta.permissions().mode(), at })
}

fn central(out: &mut impl Write, it: &Entry) -> io::Result<()> {
    let length = u32::try_from(it.name.len()).map_err(|_| too_large())?;
    // Made by Unix: the upper half of the attributes is the mode.
    numbers(out, &[(CENTRAL, 4), (3 << 8 | 20, 2), (20, 2), (FLAGS.into(), 2), (DEFLATED.into(), 2), (0, 2)])?;
    numbers(out, &[(DATE.into(), 2), (it.crc, 4), (it.packed, 4), (it.size, 4), (length, 2), (0, 2), (0, 2)])?;
    numbers(out, &[(0, 2), (0, 2), (it.mode << 16, 4), (it.at, 4)])?;
    out.write_all(it.name.as_bytes())
}

/// Unpacks an archive into a directory that is there.
///
/// # Errors
/// When an entry leads out of the directory, the archive is broken, or is of a form that is not supported.
pub(super) fn unpack_into(archive: &Path, folder: &Path) -> Result<(), UnpackError> {
    let mut file = BufReader::new(File::open(archive)?);
    let folder = folder.canonicalize()?;
    let mut bytes = 0_u64;
    for entry in entries(&mut file)? {
        let inner = relative(&entry.name).ok_or_else(|| UnpackError::Path(entry.name.clone()))?;
        if entry.name.starts_with("../") || inner.as_os_str().is_empty() && !entry.name.ends_with('/') {
            return Err(UnpackError::Path(entry.name));
        }
        bytes = bytes.saturating_add(entry.size.into());
        if bytes > MAX_BYTES {
            return Err(UnpackError::TooLarge);
        }
        let target = folder.join(&inner);
        if entry.name.ends_with('/') {
            std::fs::create_dir_all(&target)?;
            continue;
        }
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent)?;
        }
        extract(&mut file, &entry, &target)?;
    }
    Ok(())
}

/// The entries as the end of the archive lists them.
fn entries(file: &mut (impl Read + Seek)) -> io::Result<Vec<ListedEntry>> {
    let length = file.seek(SeekFrom::End(0))?;
    // The end record is followed by a comment of at most 64 KiB.
    let from = length.saturating_sub(22 + 0xFFFF);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.take(22 + 0xFFFF).read_to_end(&mut tail)?;
    let end = (0..tail.len().saturating_sub(21)).rev().find(|it| tail[*it..].starts_with(&END.to_le_bytes()));
    let end = &tail[end.ok_or_else(|| invalid("not a valid zip file"))?..];
    let (count, start) = (number(end, 10, 2)?, number(end, 16, 4)?);
    if count == 0xFFFF || start == u32::MAX {
        return Err(too_large());
    }
    file.seek(SeekFrom::Start(start.into()))?;
    let mut all = Vec::new();
    for _ in 0..count {
        let mut head = [0; 46];
        file.read_exact(&mut head)?;
        if number(&head, 0, 4)? != CENTRAL {
            return Err(invalid("not a valid zip file"));
        }
        let field = |at, width| number(&head, at, width);
        let mut name = vec![0; field(28, 2)? as usize];
        file.read_exact(&mut name)?;
        file.seek(SeekFrom::Current(i64::from(field(30, 2)? + field(32, 2)?)))?;
        let (packed, size, at) = (field(20, 4)?, field(24, 4)?, field(42, 4)?);
        if [packed, size, at].contains(&u32::MAX) {
            return Err(too_large());
        }
        all.push(ListedEntry {
            name: String::from_utf8_lossy(&name).into_owned(),
            is_encrypted: field(8, 2)? & 1 == 1,
            method: field(10, 2)?,
            crc: field(16, 4)?,
            packed,
            size,
            mode: field(38, 4)? >> 16,
            at,
        });
    }
    Ok(all)
}

struct ListedEntry {
    name: String,
    is_encrypted: bool,
    method: u32,
    crc: u32,
    packed: u32,
    size: u32,
    mode: u32,
    at: u32,
}

fn number(bytes: &[u8], at: usize, width: usize) -> io::Result<u32> {
    let part = bytes.get(at..at + width).ok_or_else(|| invalid("not a valid zip file"))?;
    Ok(part.iter().rev().fold(0, |sum, it| sum << 8 | u32::from(*it)))
}

fn extract(file: &mut (impl Read + Seek), entry: &ListedEntry, target: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    // A link would lead anywhere.
    if entry.mode & 0o170_000 == 0o120_000 {
        return Err(invalid(&format!("illegal symlink {}", entry.name)));
    }
    if entry.is_encrypted {
        return Err(invalid("encrypted archives are not supported"));
    }
    file.seek(SeekFrom::Start(entry.at.into()))?;
    let mut head = [0; 30];
    file.read_exact(&mut head)?;
    if number(&head, 0, 4)? != LOCAL {
        return Err(invalid("not a valid zip file"));
    }
    file.seek(SeekFrom::Current(i64::from(number(&head, 26, 2)? + number(&head, 28, 2)?)))?;
    let packed = file.take(entry.packed.into());
    let mut reader: Box<dyn Read + '_> = match entry.method {
        0 => Box::new(packed),
        8 => Box::new(DeflateDecoder::new(packed)),
        other => return Err(invalid(&format!("unsupported compression method {other}"))),
    };
    let mut out = File::create(target)?;
    let mut crc = Crc::new();
    let mut size = 0_u64;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = reader.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        size += read as u64;
        if size > entry.size.into() {
            return Err(invalid("an entry is longer than it says"));
        }
        crc.update(&buffer[..read]);
        out.write_all(&buffer[..read])?;
    }
    if crc.sum() != entry.crc || size != u64::from(entry.size) {
        return Err(invalid("checksum error"));
    }
    if entry.mode & 0o777 != 0 {
        out.set_permissions(std::fs::Permissions::from_mode(entry.mode & 0o777))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::archive;

    #[test]
    fn files_and_directories_come_back_with_their_modes() {
        use std::os::unix::fs::PermissionsExt as _;

        let dir = tempfile::tempdir().unwrap();
        let path = |it: &str| dir.path().join(it);
        std::fs::create_dir_all(path("d/sub")).unwrap();
        std::fs::write(path("d/sub/f"), "x".repeat(100_000)).unwrap();
        std::fs::write(path("d/run"), "").unwrap();
        std::fs::set_permissions(path("d/run"), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", path("d/link")).unwrap();
        pack(&path("d"), &path("d.zip")).unwrap();
        archive::unzip(&path("d.zip"), &path("back")).unwrap();
        assert_eq!(std::fs::read_to_string(path("back/sub/f")).unwrap().len(), 100_000);
        assert_eq!(std::fs::metadata(path("back/run")).unwrap().permissions().mode() & 0o777, 0o755);
        assert!(!path("back/link").exists());
        pack(&path("d/sub/f"), &path("f.zip")).unwrap();
        archive::unzip(&path("f.zip"), &path("file")).unwrap();
        assert_eq!(std::fs::metadata(path("file")).unwrap().len(), 100_000);
    }

    /// Made by Python's zipfile, stored: two files, the second of which leads out.
    #[test]
    fn broken_and_hostile_archives_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = |it: &str| dir.path().join(it);
        std::fs::write(path("a"), "hello hello hello").unwrap();
        pack(&path("a"), &path("a.zip")).unwrap();
        let good = std::fs::read(path("a.zip")).unwrap();
        let refused = |bytes: &[u8]| {
            std::fs::write(path("bad.zip"), bytes).unwrap();
            let target = path("out");
            let refused = archive::unzip(&path("bad.zip"), &target).is_err();
            let _ = std::fs::remove_dir_all(&target);
            let _ = std::fs::remove_dir_all(path("out.tmpdir"));
            refused
        };
        assert!(refused(b"") && refused(b"PK") && refused(&good[..good.len() - 30]));
        // The checksum in the central directory.
        let at = good.windows(4).position(|it| it == CENTRAL.to_le_bytes()).unwrap();
        let mut wrong = good.clone();
        wrong[at + 16] ^= 1;
        assert!(refused(&wrong));
        // A longer file than the directory says.
        let mut short = good.clone();
        short[at + 24] = 1;
        assert!(refused(&short));
        // A link.
        let mut link = good.clone();
        link[at + 40..at + 42].copy_from_slice(&0o120_777_u16.to_le_bytes());
        assert!(refused(&link));
        // A name that leads out: both places say so.
        std::fs::create_dir_all(path("xx")).unwrap();
        std::fs::write(path("xx/e"), "evil").unwrap();
        pack(&path("xx"), &path("x.zip")).unwrap();
        let bytes = std::fs::read(path("x.zip")).unwrap();
        let mut out = bytes.clone();
        for at in 0..out.len() - 4 {
            if &bytes[at..at + 4] == b"xx/e" {
                out[at..at + 4].copy_from_slice(b"../e");
            }
        }
        assert!(refused(&out));
        assert!(!refused(&good) && !path("e").exists());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_taken_or_refused(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let dir = tempfile::tempdir().unwrap();
            let mut all = bytes;
            all.extend(END.to_le_bytes());
            all.extend([0; 18]);
            std::fs::write(dir.path().join("a"), all).unwrap();
            let _ = archive::unzip(&dir.path().join("a"), &dir.path().join("b"));
        }
    }
}
