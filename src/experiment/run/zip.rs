//! ZIP files in memory. Reads what other programs write (stored or deflated, also above 4 GiB), writes without compression.
//!
//! The crate zip would be 10 KB more of the page's download.

use flate2::Crc;
use flate2::read::DeflateDecoder;
use std::io::{self, Read as _};

/// Why bytes are not a ZIP archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ZipError {
    /// The directory, which is at the end, is missing.
    #[error("it contains no directory of files")]
    NoDirectory,
    /// The directory is damaged.
    #[error("its directory of files is damaged")]
    Directory,
}

/// The largest number of a 32-bit field. It says that the number is in the 64-bit extension.
const IN_EXTENSION: u64 = 0xffff_ffff;
/// Marks of the parts of an archive: `PK` and two bytes.
const LOCAL: u64 = 0x0403_4b50;
const CENTRAL: u64 = 0x0201_4b50;
const END: u64 = 0x0605_4b50;
const END_64: u64 = 0x0606_4b50;
const LOCATOR_64: u64 = 0x0706_4b50;
/// Bytes of [`END`] without its comment, and of [`LOCATOR_64`].
const END_BYTES: usize = 22;
const LOCATOR_BYTES: usize = 20;

/// A file in an archive.
pub(super) struct Entry<'a> {
    /// Its path. Folders end in a slash.
    pub(super) name: String,
    /// Bytes after unpacking, as the directory states them.
    pub(super) size: u64,
    encrypted: bool,
    method: u64,
    crc: u64,
    packed: &'a [u8],
}

/// Little-endian numbers and bytes, one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// From a place on, which begins with a mark.
    fn marked(bytes: &'a [u8], at: u64, mark: u64) -> Option<Self> {
        let mut fields = Self(bytes.get(usize::try_from(at).ok()?..)?);
        (fields.number(4)? == mark).then_some(fields)
    }

    fn bytes(&mut self, count: u64) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(usize::try_from(count).ok()?)?;
        self.0 = rest;
        Some(bytes)
    }

    fn number(&mut self, width: u64) -> Option<u64> {
        Some(self.bytes(width)?.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

    fn numbers<const N: usize>(&mut self, widths: [u64; N]) -> Option<[u64; N]> {
        let mut all = [0; N];
        for (number, width) in all.iter_mut().zip(widths) {
            *number = self.number(width)?;
        }
        Some(all)
    }
}

/// The files of an archive, in the order of its directory.
pub(super) fn entries(bytes: &[u8]) -> Result<Vec<Entry<'_>>, ZipError> {
    let (count, at, base) = directory(bytes).ok_or(ZipError::NoDirectory)?;
    let directory = usize::try_from(at).ok().and_then(|at| bytes.get(at..)).ok_or(ZipError::Directory)?;
    let mut fields = Fields(directory);
    (0..count).map(|_| entry(bytes, base, &mut fields).ok_or(ZipError::Directory)).collect()
}

/// Number of files, place of the directory, and the place from which offsets count (other than 0 if bytes were put in front).
fn directory(bytes: &[u8]) -> Option<(u64, u64, u64)> {
    let last = bytes.len().checked_sub(END_BYTES)?;
    let is_end = |at: &usize| {
        let comment = Fields(&bytes[at + END_BYTES - 2..]).number(2);
        bytes[*at..].starts_with(b"PK\x05\x06") && comment.is_some_and(|length| length <= (last - at) as u64)
    };
    let end = (last.saturating_sub(0xffff)..=last).rev().find(is_end)?;
    if let Some(mut locator) = end.checked_sub(LOCATOR_BYTES).and_then(|at| Fields::marked(bytes, at as u64, LOCATOR_64)) {
        let [_, at] = locator.numbers([4, 8])?;
        let [_, _, _, _, _, _, count, _, start] = Fields::marked(bytes, at, END_64)?.numbers([8, 2, 2, 4, 4, 8, 8, 8, 8])?;
        return Some((count, start, 0));
    }
    let [_, _, _, count, size, offset] = Fields::marked(bytes, end as u64, END)?.numbers([2, 2, 2, 2, 4, 4])?;
    let start = (end as u64).checked_sub(size)?;
    Some((count, start, start.checked_sub(offset)?))
}

/// Reads one entry of the directory.
fn entry<'a>(bytes: &'a [u8], base: u64, fields: &mut Fields<'a>) -> Option<Entry<'a>> {
    let [mark, _, _, flags, method, _, crc] = fields.numbers([4, 2, 2, 2, 2, 4, 4])?;
    let [mut packed, mut size, name, extra, comment, _, _, _, mut offset] = fields.numbers([4, 4, 2, 2, 2, 2, 2, 4, 4])?;
    let name = String::from_utf8_lossy(fields.bytes(name)?).into_owned();
    let mut extra = Fields(fields.bytes(extra)?);
    fields.bytes(comment)?;
    while let Some([kind, length]) = extra.numbers([2, 2]) {
        let mut field = Fields(extra.bytes(length)?);
        for number in [&mut size, &mut packed, &mut offset] {
            if kind == 1 && *number == IN_EXTENSION {
                *number = field.number(8)?;
            }
        }
    }
    let mut local = Fields::marked(bytes, base.checked_add(offset)?, LOCAL)?;
    let [_, _, _, name_length, extra_length] = local.numbers([8, 8, 6, 2, 2])?;
    local.bytes(name_length + extra_length)?;
    (mark == CENTRAL).then_some(Entry { name, size, encrypted: flags & 1 == 1, method, crc, packed: local.bytes(packed)? })
}

impl Entry<'_> {
    /// The file. No more than the stated size is unpacked.
    ///
    /// # Errors
    /// Fails if the file is damaged, encrypted or compressed by another method.
    pub(super) fn content(&self) -> io::Result<Vec<u8>> {
        let failed = |text: &str| Err(io::Error::new(io::ErrorKind::InvalidData, text));
        let mut content = vec![];
        match self.method {
            _ if self.encrypted => return failed("it is encrypted"),
            0 => content.extend_from_slice(self.packed),
            // One byte more than the stated size shows that there are more.
            8 => _ = DeflateDecoder::new(self.packed).take(self.size.saturating_add(1)).read_to_end(&mut content)?,
            _ => return failed("its compression method is not supported"),
        }
        let mut crc = Crc::new();
        crc.update(&content);
        if content.len() as u64 != self.size || u64::from(crc.sum()) != self.crc {
            return failed("its size or its checksum is wrong");
        }
        Ok(content)
    }
}

/// Appends numbers of the given widths.
fn put(out: &mut Vec<u8>, fields: &[(u64, usize)]) {
    for (number, width) in fields {
        out.extend_from_slice(&number.to_le_bytes()[..*width]);
    }
}

/// An archive of files without compression, all with the same date: equal files give equal bytes.
pub(super) fn archive<'a>(files: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let (mut out, mut directory, mut count) = (vec![], vec![], 0);
    for (name, bytes) in files {
        add(&mut out, &mut directory, name, bytes);
        count += 1;
    }
    let (start, size) = (out.len() as u64, directory.len() as u64);
    out.append(&mut directory);
    if count >= 0xffff || start + size >= IN_EXTENSION {
        let end = out.len() as u64;
        put(&mut out, &[(END_64, 4), (44, 8), (45, 2), (45, 2), (0, 8), (count, 8), (count, 8), (size, 8), (start, 8)]);
        put(&mut out, &[(LOCATOR_64, 4), (0, 4), (end, 8), (1, 4)]);
    }
    let count = count.min(0xffff);
    put(&mut out, &[(END, 4), (0, 4), (count, 2), (count, 2), (size.min(IN_EXTENSION), 4), (start.min(IN_EXTENSION), 4), (0, 2)]);
    out
}

/// Appends a file to the archive and to its directory.
fn add(out: &mut Vec<u8>, directory: &mut Vec<u8>, name: &str, bytes: &[u8]) {
    let (offset, size) = (out.len() as u64, bytes.len() as u64);
    let mut crc = Crc::new();
    crc.update(bytes);
    let large = size >= IN_EXTENSION || offset >= IN_EXTENSION;
    let extension = |numbers: &[u64]| {
        let mut all = vec![];
        if large {
            put(&mut all, &[(1, 2), (8 * numbers.len() as u64, 2)]);
            numbers.iter().for_each(|number| put(&mut all, &[(*number, 8)]));
        }
        all
    };
    let short = |number| if large { IN_EXTENSION } else { number };
    // Version, flags (the name is UTF-8), method, time and date (1980-01-01), checksum, sizes, length of the name.
    let version = if large { 45 } else { 20 };
    let about = [(version, 2), (0x800, 2), (0, 2), (0x21_0000, 4), (u64::from(crc.sum()), 4), (short(size), 4), (short(size), 4)];
    let about = [&about[..], &[(name.len() as u64, 2)]].concat();
    let extra = extension(&[size, size]);
    put(out, &[(LOCAL, 4)]);
    put(out, &about);
    put(out, &[(extra.len() as u64, 2)]);
    [name.as_bytes(), &extra, bytes].into_iter().for_each(|part| out.extend_from_slice(part));
    let extra = extension(&[size, size, offset]);
    put(directory, &[(CENTRAL, 4), (version, 2)]);
    put(directory, &about);
    // Lengths of the extension and the comment, disk, attributes, offset.
    put(directory, &[(extra.len() as u64, 2), (0, 2), (0, 2), (0, 6), (short(offset), 4)]);
    [name.as_bytes(), &extra].into_iter().for_each(|part| directory.extend_from_slice(part));
}
