//! Sizes in bytes: their text form, and the memory budget.

/// The memory budget for all buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// No budget was given: [`Budget::DEFAULT`].
    Default,
    /// A number of bytes.
    Bytes(u64),
    /// No limit except the limits of the device.
    Unlimited,
}

impl Budget {
    /// The budget if none was given. No API reports the memory of a device.
    pub const DEFAULT: u64 = 1 << 30;

    /// The budget in bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        match self {
            Self::Default => Self::DEFAULT,
            Self::Bytes(bytes) => bytes,
            Self::Unlimited => u64::MAX,
        }
    }
}

/// A text that is not a memory budget.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a valid size; use a number with B, KiB, MiB, GiB, TiB, KB, MB, GB or TB, such as 256MiB, or unlimited")]
pub struct NoBudget(String);

impl std::str::FromStr for Budget {
    type Err = NoBudget;

    fn from_str(text: &str) -> Result<Self, NoBudget> {
        if text.trim().eq_ignore_ascii_case("unlimited") {
            return Ok(Self::Unlimited);
        }
        parse_bytes(text).map(Self::Bytes).ok_or_else(|| NoBudget(text.to_owned()))
    }
}

/// Formats a count with commas: 12,345,678.
#[must_use]
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(",")
}

/// The smallest size in whole MiB (whole KiB below 8 MiB) of at least `bytes`, in the form that [`parse_bytes`] reads.
#[must_use]
pub fn size_text(bytes: u64) -> String {
    if bytes < 8 << 20 { format!("{}KiB", bytes.div_ceil(1 << 10)) } else { format!("{}MiB", bytes.div_ceil(1 << 20)) }
}

/// A unit of bytes: its name and its number of bytes.
#[derive(Clone, Copy)]
pub(crate) struct Unit(pub(crate) &'static str, pub(crate) f64);

impl Unit {
    /// The largest unit that is not larger than `bytes`.
    pub(crate) fn of(bytes: u64) -> Self {
        let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
        let (name, shift) = units.into_iter().find(|(_, shift)| bytes >> shift > 0).unwrap_or(("bytes", 0));
        Self(name, f64::from(1_u32 << shift))
    }
}

/// Formats bytes for reading: 12.3 MiB, 12 bytes.
#[must_use]
pub fn rounded_text(bytes: u64) -> String {
    let Unit(name, one) = Unit::of(bytes);
    if one > 1.0 { format!("{:.1} {name}", bytes as f64 / one) } else { format!("{bytes} bytes") }
}

/// Parses a size such as "256MiB", "1.5 GB" or "4096" to bytes; `None` if the text is not a size. Fractions of a byte are dropped.
#[must_use]
pub fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let unit: u64 = match text[split..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return None,
    };
    let (whole, part) = text[..split].split_once('.').unwrap_or((&text[..split], ""));
    let whole: u64 = whole.parse().ok()?;
    // A fractional number of bytes is an error. More than nine decimals have no use in any unit.
    if (unit == 1 && text[..split].contains('.')) || part.len() > 9 || (text[..split].ends_with('.')) {
        return None;
    }
    let digits: u64 = if part.is_empty() { 0 } else { part.parse().ok()? };
    let scale = 10_u64.pow(u32::try_from(part.len()).ok()?);
    let fraction = u128::from(digits) * u128::from(unit) / u128::from(scale);
    whole.checked_mul(unit)?.checked_add(u64::try_from(fraction).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_sizes() {
        let cases = [
            ("256MiB", Some(256 << 20)),
            ("2 GB", Some(2_000_000_000)),
            ("77", Some(77)),
            ("-1", None),
            ("x", None),
            ("1.5GiB", Some(3 << 29)),
            (".5GiB", None),
            ("1.5", None),
            ("1 TiB", Some(1 << 40)),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse_bytes(text), bytes, "{text}");
        }
        assert_eq!([12, 1536, 3 << 30].map(rounded_text), ["12 bytes", "1.5 KiB", "3.0 GiB"]);
    }
}
