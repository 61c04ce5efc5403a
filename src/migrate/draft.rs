//! The new configuration before it is written as text.

use toml::Value;

/// Sections in output order. The first section has no header.
const SECTIONS: [&str; 7] = ["", "data", "window", "split", "evaluation", "model", "training"];

/// Keys and values by section.
#[derive(Debug, Default)]
pub(super) struct Draft {
    entries: Vec<(&'static str, &'static str, Value)>,
}

impl Draft {
    /// Sets a key. A later value replaces an earlier one.
    pub(super) fn set(&mut self, section: &'static str, key: &'static str, value: impl Into<Value>) {
        let value = value.into();
        match self.entries.iter_mut().find(|e| e.0 == section && e.1 == key) {
            Some(entry) => entry.2 = value,
            None => self.entries.push((section, key, value)),
        }
    }

    /// Sets a count.
    pub(super) fn count(&mut self, section: &'static str, key: &'static str, value: usize) {
        self.set(section, key, i64::try_from(value).unwrap_or(i64::MAX));
    }

    pub(super) fn toml(&self) -> String {
        let mut text = String::from("# Migrated from a configuration of the original system. Paths are relative to this file.\n\n");
        for section in SECTIONS {
            let mut entries = self.entries.iter().filter(|e| e.0 == section).peekable();
            if entries.peek().is_none() {
                continue;
            }
            if !section.is_empty() {
                text += &format!("\n[{section}]\n");
            }
            for (_, key, value) in entries {
                text += &format!("{key} = {value}\n");
            }
        }
        text
    }
}
