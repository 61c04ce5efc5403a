//! The keys of a config with which the page converts arrays to CSV.

use serde::{Deserialize, Serialize};

use super::ArraySettings;
use crate::calendar::{Frequency, Session, Weekdays};

/// The keys that decide how an array becomes a table: the names of its columns, and with a first timestamp the steps of time.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ArrayKeys {
    array: Option<ArraySettings>,
    frequency: Option<Frequency>,
    weekdays: Option<Weekdays>,
    holidays: Vec<String>,
    session: Option<Session>,
}

impl ArrayKeys {
    /// The keys of the text of a config. A text that is no config has none: reading it as a config says what is wrong with it.
    #[cfg(any(test, feature = "web"))]
    pub(crate) fn of_config(text: &str) -> Self {
        #[derive(Deserialize)]
        struct Config {
            data: ArrayKeys,
        }
        match toml::from_str::<Config>(text).map(|config| config.data) {
            Ok(keys) if keys.array.as_ref().is_some_and(|array| array.start.is_some()) => keys,
            // Without a first timestamp there are no steps: other keys of the same array give the same table.
            Ok(Self { array, .. }) => Self { array, ..Self::default() },
            Err(_) => Self::default(),
        }
    }

    /// Settings of data with only these keys.
    #[cfg(any(test, feature = "web-intake"))]
    pub(crate) fn settings(self) -> super::DataSettings {
        let Self { array, frequency, weekdays, holidays, session } = self;
        super::DataSettings { array, frequency, weekdays, holidays, session, ..super::DataSettings::of_text() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_that_change_the_table_count() {
        let key = |config: &str| serde_json::to_string(&ArrayKeys::of_config(config)).unwrap();
        let names = "[data]\npath = \"x\"\nfrequency = \"B\"\n[data.array]\nseries = [\"a\", \"b\"]\n";
        assert_eq!(key(names), key(&names.replace("\"B\"", "\"1h\"").replace("\"x\"", "\"y\"")));
        assert_ne!(key(names), key(&names.replace("\"b\"", "\"c\"")));
        let timed = format!("{names}start = \"2024-01-05\"");
        assert_ne!(key(&timed), key(&timed.replace("\"B\"", "\"1h\"")));
        for none in ["", "[data", "[model]", "[data]\npath = \"x\"\n[data.array]\nseries = 3"] {
            assert_eq!(key(none), key("[data]"), "{none}");
        }
        let read: ArrayKeys = serde_json::from_str(&key(&timed)).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), key(&timed));
    }
}
