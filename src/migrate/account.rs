//! What became of the keys, one by one.

use std::fmt;

/// What became of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Written under the same name.
    Kept(String),
    /// Written under another name.
    Renamed(String),
    /// Written as something else, and why.
    Changed(String, String),
    /// Not written, and why.
    Dropped(String),
}

/// A key of the old configuration and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The key.
    pub key: String,
    /// Whether the file has it; otherwise it is the old system's default that was written.
    pub given: bool,
    /// What became of it.
    pub fate: Fate,
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        let origin = if self.given { "" } else { " (not in the file: its default there)" };
        match &self.fate {
            Fate::Kept(now) => write!(f, "{key}{origin}: kept as {now}"),
            Fate::Renamed(now) => write!(f, "{key}{origin}: renamed to {now}"),
            Fate::Changed(now, why) => write!(f, "{key}{origin}: became {now}; {why}"),
            Fate::Dropped(why) => write!(f, "{key}{origin}: has no meaning here: {why}"),
        }
    }
}
