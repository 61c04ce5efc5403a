//! Arrays of NumPy: their header and their values.

use std::io::{self, Read};

use super::cells::float;
use super::error::{Format, FormatError};

/// What the header of an array says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    /// Whether the first axis varies fastest.
    pub(super) fortran: bool,
    pub(super) shape: Vec<usize>,
}

/// The type of the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    class: Class,
    /// Bytes of a value.
    pub(super) size: usize,
    big_endian: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Bool,
    Signed,
    Unsigned,
    Float,
}

/// The largest header that is read. NumPy's own limit is 10,000 characters.
const LARGEST_HEADER: u64 = 1 << 16;

impl Header {
    /// Reads the header at the start of an array.
    pub(super) fn read(format: Format, reader: &mut impl Read) -> Result<Self, FormatError> {
        let damaged = |problem: &str| FormatError::damaged(format, problem);
        let mut start = vec![];
        reader.take(8).read_to_end(&mut start)?;
        let Some([major, _]) = start.strip_prefix(b"\x93NUMPY").and_then(|rest| rest.first_chunk()) else {
            return Err(damaged("an array does not begin as one"));
        };
        let mut length = vec![];
        reader.take(if *major == 1 { 2 } else { 4 }).read_to_end(&mut length)?;
        length.resize(4, 0);
        let length = length.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        let mut text = vec![];
        reader.take(u64::from(length).min(LARGEST_HEADER)).read_to_end(&mut text)?;
        if text.len() as u64 != u64::from(length) {
            return Err(damaged("the header of an array is incomplete"));
        }
        let text = String::from_utf8_lossy(&text);
        let descr = value(&text, "descr").ok_or_else(|| damaged("an array has no type"))?;
        let fortran = value(&text, "fortran_order").is_some_and(|text| text.starts_with("True"));
        let shape = value(&text, "shape").and_then(|text| text.strip_prefix('(')?.split_once(')')).map(|(inside, _)| inside);
        let numbers = shape.ok_or_else(|| damaged("an array has no shape"))?.split(',').map(str::trim).filter(|text| !text.is_empty());
        let shape = numbers.map(|text| text.trim_end_matches('L').parse().ok()).collect::<Option<Vec<usize>>>();
        let shape = shape.ok_or_else(|| damaged("an array has no shape"))?;
        let kind = Kind::parse(descr).ok_or_else(|| {
            let shown = descr.split_once(", '").map_or(descr, |(first, _)| first);
            FormatError::unsupported(
                format,
                format_args!("an array of type {}", shown.chars().take(40).collect::<String>()),
                "save it with a numeric type, such as float32",
            )
        })?;
        Ok(Self { kind, fortran, shape })
    }

    /// Bytes of all values; `None` if no memory can hold them.
    pub(super) fn bytes(&self) -> Option<u64> {
        let sizes = self.shape.iter().map(|&length| length as u64);
        sizes.chain([self.kind.size as u64]).try_fold(1_u64, u64::checked_mul)
    }

    /// The shape as in Python.
    pub(super) fn shape_text(&self) -> String {
        let lengths: Vec<String> = self.shape.iter().map(usize::to_string).collect();
        format!("[{}]", lengths.join(", "))
    }
}

/// The text after a key of the header, which is the text of a Python dictionary.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let after = ['\'', '"'].iter().find_map(|quote| text.split_once(&format!("{quote}{key}{quote}")))?.1;
    Some(after.trim_start().strip_prefix(':')?.trim_start())
}

impl Kind {
    /// The type that begins this text, such as `'<f8', ..`.
    fn parse(text: &str) -> Option<Self> {
        let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let code = text[1..].split_once(quote)?.0;
        let mut chars = code.chars();
        let order = chars.next().filter(|c| matches!(c, '<' | '>' | '|' | '='))?;
        let class = match chars.next()? {
            'b' => Class::Bool,
            'i' => Class::Signed,
            'u' => Class::Unsigned,
            'f' => Class::Float,
            _ => return None,
        };
        let size = chars.as_str().parse().ok()?;
        let possible: &[usize] = match class {
            Class::Bool => &[1],
            Class::Float => &[2, 4, 8],
            _ => &[1, 2, 4, 8],
        };
        possible.contains(&size).then_some(Self { class, size, big_endian: order == '>' })
    }

    /// Adds the text of a value. NaN has no text.
    pub(super) fn write(self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut raw = [0; 8];
        let place = &mut raw[..self.size];
        place.copy_from_slice(bytes);
        if self.big_endian {
            place.reverse();
        }
        let bits = u64::from_le_bytes(raw);
        let unused = 64 - 8 * u32::try_from(self.size).unwrap_or(8);
        match (self.class, self.size) {
            (Class::Float, 8) => float(f64::from_bits(bits), out),
            (Class::Float, 4) => float(f32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]), out),
            (Class::Float, _) => float(half(u16::from_le_bytes([raw[0], raw[1]])), out),
            (Class::Bool, _) => out.push(if bits == 0 { b'0' } else { b'1' }),
            (Class::Signed, _) => out.extend(((bits << unused).cast_signed() >> unused).to_string().as_bytes()),
            (Class::Unsigned, _) => out.extend(bits.to_string().as_bytes()),
        }
    }
}

/// The number with these bits in half precision.
fn half(bits: u16) -> f32 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    let size = match exponent {
        0 => fraction * 2_f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2_f32.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -size } else { size }
}

/// Fills a buffer, or says that the array ends early.
pub(super) fn fill(format: Format, reader: &mut impl Read, buffer: &mut [u8]) -> Result<(), FormatError> {
    reader.read_exact(buffer).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => FormatError::damaged(format, "an array ends early"),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => FormatError::damaged(format, e),
        _ => FormatError::Io(e),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Result<Header, FormatError> {
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend(u16::try_from(text.len()).unwrap().to_le_bytes());
        file.extend(text.as_bytes());
        Header::read(Format::Npy, &mut &*file)
    }

    #[test]
    fn headers() {
        let read = header("{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }    \n").unwrap();
        assert_eq!((read.shape_text().as_str(), read.kind.size, read.fortran), ("[3, 4]", 8, false));
        assert_eq!(header("{'shape': (7,), 'fortran_order': True, 'descr': '|b1'}").unwrap().shape, [7]);
        assert_eq!(header("{'descr': '>i2', 'fortran_order': False, 'shape': ()}").unwrap().shape, [0; 0]);
        let huge = header("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 99999999999)}").unwrap();
        assert_eq!(huge.bytes(), None);
        for wrong in ["", "{}", "{'descr': '<f8'}", "{'descr': '<f8', 'shape': (1, x)}", "{'descr': '<f8', 'shape': (-1,)}", "{'descr': é"]
        {
            assert!(header(wrong).is_err(), "{wrong}");
        }
        for kind in ["'<c16'", "'|O'", "'<U5'", "'<f16'", "[('a', '<f8')]", "'<M8[ns]'", "''", "'é'"] {
            let error = header(&format!("{{'descr': {kind}, 'fortran_order': False, 'shape': (2, 2)}}")).unwrap_err().to_string();
            assert!(error.contains("an array of type"), "{error}");
        }
    }

    #[test]
    fn values_of_all_types() {
        let text = |code: &str, bytes: &[u8]| {
            let mut out = vec![];
            Kind::parse(code).unwrap().write(bytes, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text("'<f8'", &0.1_f64.to_le_bytes()), "0.1");
        assert_eq!(text("'>f4'", &0.1_f32.to_be_bytes()), "0.1");
        assert_eq!(text("'<f4'", &f32::NAN.to_le_bytes()), "");
        assert_eq!(text("'<i2'", &(-2_i16).to_le_bytes()), "-2");
        assert_eq!(text("'>u8'", &u64::MAX.to_be_bytes()), u64::MAX.to_string());
        assert_eq!(text("'|i1'", &[0x80]), "-128");
        assert_eq!(text("'|b1'", &[1]), "1");
        for (bits, number) in [(0x3555, "0.33325195"), (0x8001, "-5.9604645e-8"), (0x7bff, "65504.0"), (0xfc00, "-inf"), (0x7e00, "")] {
            assert_eq!(text("'<f2'", &u16::to_le_bytes(bits)), number);
        }
    }
}
