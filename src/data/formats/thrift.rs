//! Headers of Parquet pages, in Thrift's compact form. The parquet crate keeps its reader of these headers private.

use parquet::basic::Encoding;

/// What a page header says.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct PageHeader {
    /// 0 data, 1 index, 2 dictionary, 3 data of version 2.
    pub(super) kind: i64,
    pub(super) size: usize,
    pub(super) packed_size: usize,
    pub(super) values: u32,
    pub(super) encoding: i64,
    pub(super) definition_encoding: i64,
    pub(super) repetition_encoding: i64,
    pub(super) nulls: u32,
    pub(super) rows: u32,
    pub(super) definition_bytes: u32,
    pub(super) repetition_bytes: u32,
    /// Whether the values of a page of version 2 are not compressed.
    pub(super) plain: bool,
}

/// Why a header cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// The bytes end within the header.
    Short,
    Wrong,
}

/// The largest depth of nested values that are skipped.
const DEPTH: usize = 16;

// Types of the compact protocol.
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const STRUCT: u8 = 12;

impl PageHeader {
    /// Reads a header. Returns it with its length.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, usize), Problem> {
        let mut reader = Reader { bytes, at: 0 };
        let mut header = Self::default();
        let mut sizes = [None; 2];
        let mut id = 0;
        while let Some(kind) = reader.field(&mut id)? {
            match (id, kind) {
                (1, _) => header.kind = reader.integer(kind)?,
                (2, _) => sizes[0] = usize::try_from(reader.integer(kind)?).ok(),
                (3, _) => sizes[1] = usize::try_from(reader.integer(kind)?).ok(),
                (5 | 7 | 8, STRUCT) => header.part(&mut reader, id)?,
                _ => reader.skip(kind, DEPTH)?,
            }
        }
        let [Some(size), Some(packed_size)] = sizes else { return Err(Problem::Wrong) };
        Ok((Self { size, packed_size, ..header }, reader.at))
    }

    /// The header of one kind of page: 5 data, 7 dictionary, 8 data of version 2.
    fn part(&mut self, reader: &mut Reader, part: i64) -> Result<(), Problem> {
        let mut id = 0;
        while let Some(kind) = reader.field(&mut id)? {
            let place = match (part, id) {
                (_, 1) => &mut self.values,
                (8, 2) => &mut self.nulls,
                (8, 3) => &mut self.rows,
                (8, 5) => &mut self.definition_bytes,
                (8, 6) => &mut self.repetition_bytes,
                (5 | 7, 2) | (8, 4) => {
                    self.encoding = reader.integer(kind)?;
                    continue;
                }
                (5, 3) => {
                    self.definition_encoding = reader.integer(kind)?;
                    continue;
                }
                (5, 4) => {
                    self.repetition_encoding = reader.integer(kind)?;
                    continue;
                }
                _ => {
                    self.plain |= part == 8 && id == 7 && kind == FALSE;
                    reader.skip(kind, DEPTH)?;
                    continue;
                }
            };
            *place = u32::try_from(reader.integer(kind)?).map_err(|_| Problem::Wrong)?;
        }
        Ok(())
    }
}

/// The encoding with this number.
pub(super) fn encoding(number: i64) -> Option<Encoding> {
    Some(match number {
        0 => Encoding::PLAIN,
        2 => Encoding::PLAIN_DICTIONARY,
        3 => Encoding::RLE,
        5 => Encoding::DELTA_BINARY_PACKED,
        6 => Encoding::DELTA_LENGTH_BYTE_ARRAY,
        7 => Encoding::DELTA_BYTE_ARRAY,
        8 => Encoding::RLE_DICTIONARY,
        9 => Encoding::BYTE_STREAM_SPLIT,
        _ => return None,
    })
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, Problem> {
        let byte = *self.bytes.get(self.at).ok_or(Problem::Short)?;
        self.at += 1;
        Ok(byte)
    }

    fn unsigned(&mut self) -> Result<u64, Problem> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Problem::Wrong)
    }

    fn signed(&mut self) -> Result<i64, Problem> {
        let value = self.unsigned()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    /// The type of the next field, and its number in `id`; `None` at the end of the struct.
    fn field(&mut self, id: &mut i64) -> Result<Option<u8>, Problem> {
        let head = self.byte()?;
        if head == 0 {
            return Ok(None);
        }
        *id = if head >> 4 == 0 { self.signed()? } else { id.wrapping_add(i64::from(head >> 4)) };
        Ok(Some(head & 15))
    }

    /// A whole number of a field of this type.
    fn integer(&mut self, kind: u8) -> Result<i64, Problem> {
        if matches!(kind, 4..=6) { self.signed() } else { Err(Problem::Wrong) }
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Result<(), Problem> {
        let depth = depth.checked_sub(1).ok_or(Problem::Wrong)?;
        match kind {
            TRUE | FALSE => {}
            3 => self.at += 1,
            4..=6 => drop(self.unsigned()?),
            7 => self.at += 8,
            8 => {
                let length = usize::try_from(self.unsigned()?).map_err(|_| Problem::Wrong)?;
                self.at = self.at.checked_add(length).ok_or(Problem::Wrong)?;
            }
            9 | 10 => {
                let head = self.byte()?;
                let count = if head >> 4 == 15 { self.unsigned()? } else { u64::from(head >> 4) };
                for _ in 0..count {
                    // Booleans in a list take a byte.
                    if head & 15 <= FALSE {
                        self.at += 1
                    } else {
                        self.skip(head & 15, depth)?
                    }
                    if self.at > self.bytes.len() {
                        return Err(Problem::Short);
                    }
                }
            }
            STRUCT => {
                let mut id = 0;
                while let Some(kind) = self.field(&mut id)? {
                    self.skip(kind, depth)?;
                }
            }
            _ => return Err(Problem::Wrong),
        }
        if self.at > self.bytes.len() { Err(Problem::Short) } else { Ok(()) }
    }
}
