//! The result of the migration of each key.

use std::fmt;

/// The result of the conversion of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Written under the same name.
    Kept(String),
    /// Written under another name.
    Renamed(String),
    /// Written in another form, with the reason.
    Changed(String, String),
    /// Not written, with the reason.
    Dropped(String),
}

/// A key of the old configuration and the result of its conversion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The key.
    pub key: String,
    /// Whether the file contains the key. Otherwise the default of the original system was written.
    pub given: bool,
    /// The result of the conversion.
    pub fate: Fate,
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        let origin = if self.given { "" } else { " (not in the file; default of the original system)" };
        match &self.fate {
            Fate::Kept(now) => write!(f, "{key}{origin}: kept as {now}"),
            Fate::Renamed(now) => write!(f, "{key}{origin}: renamed to {now}"),
            Fate::Changed(now, why) => write!(f, "{key}{origin}: changed to {now}; {why}"),
            Fate::Dropped(why) => write!(f, "{key}{origin}: not used; {why}"),
        }
    }
}
