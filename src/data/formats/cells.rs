//! Values of Arrow arrays as text cells.

use std::io::Write as _;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, Float16Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};
use jiff::Timestamp;
use jiff::tz::Offset;

/// A column of a batch.
pub(super) struct Column {
    array: ArrayRef,
    zone: Zone,
    /// The values of a dictionary, and the index of the value of each row.
    dictionary: Option<(Box<Self>, Vec<usize>)>,
}

/// What follows a timestamp.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Zone {
    /// Nothing: the column has no zone.
    None,
    /// `Z`: the zone is UTC, or its offset would need a database of zones.
    Utc,
    /// An offset from UTC.
    Offset(Offset),
}

impl Column {
    pub(super) fn new(array: ArrayRef) -> Self {
        let zone = if let DataType::Timestamp(_, Some(name)) = array.data_type() { zone(name) } else { Zone::None };
        let dictionary = array.as_any_dictionary_opt().filter(|dictionary| !dictionary.values().is_empty());
        let dictionary = dictionary.map(|d| (Box::new(Self::new(d.values().clone())), d.normalized_keys()));
        Self { array, zone, dictionary }
    }

    /// Adds the text of a row. Missing values and NaN have no text.
    pub(super) fn write(&self, row: usize, out: &mut Vec<u8>) {
        let array = &self.array;
        if array.is_null(row) {
            return;
        }
        macro_rules! value {
            ($kind:ty) => {
                array.as_primitive::<$kind>().value(row)
            };
        }
        match array.data_type() {
            DataType::Null => {}
            DataType::Boolean => out.push(if array.as_boolean().value(row) { b'1' } else { b'0' }),
            DataType::Int8 => number(value!(Int8Type), out),
            DataType::Int16 => number(value!(Int16Type), out),
            DataType::Int32 => number(value!(Int32Type), out),
            DataType::Int64 => number(value!(Int64Type), out),
            DataType::UInt8 => number(value!(UInt8Type), out),
            DataType::UInt16 => number(value!(UInt16Type), out),
            DataType::UInt32 => number(value!(UInt32Type), out),
            DataType::UInt64 => number(value!(UInt64Type), out),
            DataType::Float16 => float(value!(Float16Type).to_f32(), out),
            DataType::Float32 => float(value!(Float32Type), out),
            DataType::Float64 => float(value!(Float64Type), out),
            DataType::Decimal32(..) => number(array.as_primitive::<Decimal32Type>().value_as_string(row), out),
            DataType::Decimal64(..) => number(array.as_primitive::<Decimal64Type>().value_as_string(row), out),
            DataType::Decimal128(..) => number(array.as_primitive::<Decimal128Type>().value_as_string(row), out),
            DataType::Decimal256(..) => number(array.as_primitive::<Decimal256Type>().value_as_string(row), out),
            DataType::Utf8 => out.extend(array.as_string::<i32>().value(row).as_bytes()),
            DataType::LargeUtf8 => out.extend(array.as_string::<i64>().value(row).as_bytes()),
            DataType::Utf8View => out.extend(array.as_string_view().value(row).as_bytes()),
            DataType::Dictionary(..) => {
                if let Some((values, keys)) = &self.dictionary {
                    values.write(keys[row], out);
                }
            }
            DataType::Date32 => moment(i128::from(value!(Date32Type)) * 86_400, 1, Zone::None, true, out),
            DataType::Date64 => moment(value!(Date64Type).into(), 1000, Zone::None, true, out),
            DataType::Timestamp(TimeUnit::Second, _) => moment(value!(TimestampSecondType).into(), 1, self.zone, false, out),
            DataType::Timestamp(TimeUnit::Millisecond, _) => moment(value!(TimestampMillisecondType).into(), 1000, self.zone, false, out),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                moment(value!(TimestampMicrosecondType).into(), 1_000_000, self.zone, false, out);
            }
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                moment(value!(TimestampNanosecondType).into(), 1_000_000_000, self.zone, false, out);
            }
            other => number(placeholder(other), out),
        }
    }
}

/// The cell of a column whose values have no text. The reader's message shows it if the column is used.
pub(super) fn placeholder(kind: &DataType) -> String {
    let text = kind.to_string();
    format!("{}{}", crate::data::NO_CELL, text.split(['(', '<']).next().unwrap_or(&text))
}

/// Whether the values of a column have a text.
pub(super) fn has_text(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, values) => has_text(values) && !matches!(**values, DataType::Dictionary(..)),
        DataType::Null | DataType::Boolean | DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => true,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        kind => kind.is_numeric(),
    }
}

fn number(value: impl std::fmt::Display, out: &mut Vec<u8>) {
    // Writing to a vector does not fail.
    let _ = write!(out, "{value}");
}

/// The shortest text that gives the same number in its own precision.
pub(super) fn float(value: impl zmij::Float + Into<f64> + Copy, out: &mut Vec<u8>) {
    if !value.into().is_nan() {
        out.extend(zmij::Buffer::new().format(value).as_bytes());
    }
}

/// The zone with this name in an Arrow schema.
fn zone(name: &str) -> Zone {
    let digits = |text: &str| text.parse::<i32>().ok().filter(|_| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()));
    let signed = match name.as_bytes().first() {
        Some(b'+') => Some(1),
        Some(b'-') => Some(-1),
        _ => None,
    };
    let offset = signed.and_then(|sign| {
        let (hours, minutes) = name.get(1..3).zip(name.get(3..))?;
        let minutes = if minutes.is_empty() { 0 } else { digits(minutes.strip_prefix(':').unwrap_or(minutes))? };
        Offset::from_seconds(sign * (digits(hours)? * 3600 + minutes * 60)).ok()
    });
    match offset {
        Some(offset) if offset != Offset::UTC => Zone::Offset(offset),
        _ => Zone::Utc,
    }
}

/// Date and time: `value` units of 1 / `per_second` seconds since 1970. A date alone if `date` is set and the time is midnight.
fn moment(value: i128, per_second: i128, zone: Zone, date: bool, out: &mut Vec<u8>) {
    let (seconds, fraction) = (value.div_euclid(per_second), value.rem_euclid(per_second));
    let Some(moment) = i64::try_from(seconds).ok().and_then(|s| Timestamp::from_second(s).ok()) else {
        return number(format_args!("a time outside the calendar ({value})"), out);
    };
    let civil = if let Zone::Offset(offset) = zone { offset } else { Offset::UTC }.to_datetime(moment);
    let (year, month, day) = (civil.year(), civil.month(), civil.day());
    number(format_args!("{year:04}-{month:02}-{day:02}"), out);
    if date && fraction == 0 && seconds.rem_euclid(86_400) == 0 {
        return;
    }
    number(format_args!("T{:02}:{:02}:{:02}", civil.hour(), civil.minute(), civil.second()), out);
    if fraction != 0 {
        let digits = format!("{:09}", fraction * (1_000_000_000 / per_second));
        number(format_args!(".{}", digits.trim_end_matches('0')), out);
    }
    match zone {
        Zone::None => {}
        Zone::Utc => out.push(b'Z'),
        Zone::Offset(offset) => {
            let minutes = offset.seconds() / 60;
            let sign = if minutes < 0 { '-' } else { '+' };
            number(format_args!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60), out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_the_shortest_text() {
        let text = |value: i64, per_second: i128, name: Option<&str>, date: bool| {
            let mut out = vec![];
            moment(value.into(), per_second, name.map_or(Zone::None, zone), date, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(1_609_459_200_500, 1000, None, false), "2021-01-01T00:00:00.5");
        assert_eq!(text(-1, 1_000_000_000, None, false), "1969-12-31T23:59:59.999999999");
        assert_eq!(text(1_609_459_200, 1, Some("UTC"), false), "2021-01-01T00:00:00Z");
        assert_eq!(text(1_609_459_200, 1, Some("+00:00"), false), "2021-01-01T00:00:00Z");
        assert_eq!(text(1_609_459_200, 1, Some("Europe/Berlin"), false), "2021-01-01T00:00:00Z");
        assert_eq!(text(1_609_459_200, 1, Some("+05:30"), false), "2021-01-01T05:30:00+05:30");
        assert_eq!(text(1_609_459_200, 1, Some("-0930"), false), "2020-12-31T14:30:00-09:30");
        assert_eq!(text(1_609_459_200, 1, Some("+é"), false), "2021-01-01T00:00:00Z");
        assert_eq!(text(1_609_459_200, 1, None, true), "2021-01-01");
        assert_eq!(text(1_609_459_201, 1, None, true), "2021-01-01T00:00:01");
        assert!(text(i64::MIN, 1, Some("+05:30"), false).contains("outside the calendar"));
        assert!(text(i64::MAX, 1, None, true).contains("outside the calendar"));
    }

    #[test]
    fn floats_read_back_exactly() {
        let text = |value: f64| {
            let mut out = vec![];
            float(value, &mut out);
            String::from_utf8(out).unwrap()
        };
        for value in [0.1, -0.0, 1e300, 5e-324, 1.0 / 3.0, f64::MAX, f64::INFINITY] {
            assert_eq!(text(value).parse::<f64>().unwrap().to_bits(), value.to_bits());
        }
        assert_eq!(text(f64::NAN), "");
        let mut out = vec![];
        float(0.1_f32, &mut out);
        assert_eq!(out, b"0.1");
    }
}
