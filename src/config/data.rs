//! `[data]`: the data files, their format, and the meaning of their columns.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::columns::{Channel, Covariate, StaticSettings};
use super::{ConfigError, is_default};
use crate::calendar::{CalendarFeature, Frequency, Rules, Session, TimeFormat, Weekdays, day_number};

/// `[data]`: the data files, their format, and the meaning of their columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DataSettings {
    /// Data file, relative to the configuration file: CSV (plain, gzip or zstd), and natively also Parquet, Arrow IPC (Feather), NPZ and NPY.
    /// `-` is standard input.
    pub path: String,
    /// Further files, joined to the first one by timestamp: a row for every timestamp of any file, with missing values where a file has
    /// none. All files have the time column of `time`; the names of the other columns must differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub join: Vec<String>,
    /// Timestamp column, or a list of columns whose texts, joined by blanks, are the timestamp (date and hour). If omitted, rows are steps,
    /// and there are no calendar features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeColumns>,
    /// Format of the timestamps, such as "%d.%m.%Y %H:%M" or "epoch s". Default: ISO 8601 and other forms in which day and month cannot be
    /// confused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_format: Option<String>,
    /// Time zone of the timestamps, such as "Europe/Berlin". Timestamps with an offset are converted to it; those without are local times
    /// in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Time step between rows, such as "15min", "1h", "1d", "B" (working days), "1w", "1mo". Default: the most frequent difference in the
    /// file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency: Option<Frequency>,
    /// Days of the week with rows, such as "mon-fri" or "mon,wed,fri". Default: "mon-fri" if the frequency is in working days, otherwise all
    /// days. The first row of such a day follows the last row of the previous one without a gap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weekdays: Option<Weekdays>,
    /// Days without rows, as YYYY-MM-DD. They are no gaps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holidays: Vec<String>,
    /// Times of day of the first and the last row of a day, such as "09:30-15:55", or of each part of a day with breaks,
    /// such as "09:30-11:30,13:00-15:00". The night between two days is no gap, nor is a break.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
    /// Field separator, one character. Default: found from the first lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// Decimal separator: "." or ",".
    #[serde(default = "default_decimal", skip_serializing_if = "is_point")]
    pub decimal: char,
    /// Thousands separator, such as "," or ".". Digits before the decimal separator may then be grouped in threes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thousands: Option<char>,
    /// Lines that start with this character are skipped. Before the header, lines that start with "#" are always skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<char>,
    /// Lines to skip at the start of the file.
    #[serde(default, skip_serializing_if = "is_default")]
    pub skip_lines: usize,
    /// Whether the first row holds the column names. If not, the columns are named c1, c2, and so on.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub header: bool,
    /// Cell texts that mean a missing value. A text that is a number matches every spelling of this number. Default: the texts that pandas
    /// reads as missing.
    #[serde(default = "default_missing")]
    pub missing: Vec<String>,
    /// Rows whose timestamp cell has one of these texts are skipped, such as a row of totals.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skip_rows: Vec<String>,
    /// Gaps of up to this many missing timestamps are filled with unobserved rows. After a longer gap, a new segment starts; no window
    /// spans such a gap.
    #[serde(default)]
    pub max_gap: usize,
    /// Column with the name of the series, in a long table: one row for each series and timestamp. Each other column gives one column for
    /// each series: `A` (the series alone) if there is one such column, otherwise `A_y` (series and column).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<String>,
    /// Series to forecast: column names, patterns such as `z{i}_TARGETVAR` (one target per match of `{i}`), or `*` for all
    /// columns without another use.
    pub targets: Vec<String>,
    /// Columns that `*` does not match: names, or patterns with `*` for any text, such as "c*".
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// If true, the history of the targets is not an input of the model.
    #[serde(default)]
    pub hide_history: bool,
    /// Calendar features, each a sine and a cosine. Default: selected by the frequency. See [`CalendarFeature`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar: Option<Vec<CalendarFeature>>,
    /// Drivers that are common to all series.
    #[serde(default)]
    pub covariates: Vec<Covariate>,
    /// Drivers that belong to one series each.
    #[serde(default)]
    pub channels: Vec<Channel>,
    /// What does not change over time, for each series.
    #[serde(default, rename = "static", skip_serializing_if = "Option::is_none")]
    pub statics: Option<StaticSettings>,
    /// Names for the values of an NPZ or NPY file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub array: Option<ArraySettings>,
}

/// The columns of the timestamp.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a column name, or a list of column names")]
pub enum TimeColumns {
    /// One column.
    One(String),
    /// Several columns, whose texts are joined by blanks.
    Several(Vec<String>),
}

impl TimeColumns {
    /// The names of the columns.
    #[must_use]
    pub fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Several(names) => names,
        }
    }

    /// The names, joined by " + ", for messages.
    #[must_use]
    pub fn label(&self) -> String {
        self.names().join(" + ")
    }
}

impl From<&str> for TimeColumns {
    fn from(name: &str) -> Self {
        Self::One(name.into())
    }
}

/// `[data.array]`: names for the values of an NPZ or NPY file with the shape `[T]`, `[T, N]` or `[T, N, F]` (steps, series, channels). The
/// columns are named `{series}_{channel}`, or `{series}` without channels.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ArraySettings {
    /// The array in an NPZ file. Default: the only one with at least two dimensions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Names of the N series. Default: s0, s1, and so on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<Vec<String>>,
    /// Names of the F channels. Default: f0, f1, and so on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<Vec<String>>,
    /// Timestamp of the first row. With it, there is a column "time", whose step is `data.frequency`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
}

/// Whether the values of a driver in the horizon are known when the forecast is made: `false`, `true`, or `"partial"`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KnownFuture {
    /// They are not known.
    #[default]
    No,
    /// They are known. A missing value in the horizon of a forecast is an error.
    Yes,
    /// They are known where the data have them: a weather forecast that ends before the horizon does. A missing value is unobserved.
    Partial,
}

impl KnownFuture {
    /// Whether values in the horizon are inputs of the model.
    #[must_use]
    pub fn is_known(self) -> bool {
        self != Self::No
    }
}

impl From<bool> for KnownFuture {
    fn from(known: bool) -> Self {
        if known { Self::Yes } else { Self::No }
    }
}

impl Serialize for KnownFuture {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Partial => serializer.serialize_str("partial"),
            known => serializer.serialize_bool(*known == Self::Yes),
        }
    }
}

impl<'de> Deserialize<'de> for KnownFuture {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected true, false or \"partial\"")]
        enum Either {
            Known(bool),
            Word(Word),
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Word {
            Partial,
        }
        Ok(match Either::deserialize(deserializer)? {
            Either::Known(known) => known.into(),
            Either::Word(Word::Partial) => Self::Partial,
        })
    }
}

/// The texts that pandas reads as missing values.
pub(crate) const MISSING: [&str; 19] = [
    "", "NA", "NaN", "nan", "null", "N/A", "n/a", "#N/A", "#N/A N/A", "#NA", "NULL", "None", "<NA>", "-NaN", "-nan", "1.#IND", "-1.#IND",
    "1.#QNAN", "-1.#QNAN",
];

fn default_missing() -> Vec<String> {
    MISSING.map(String::from).to_vec()
}

fn default_decimal() -> char {
    '.'
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_true(value: &bool) -> bool {
    *value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_point(value: &char) -> bool {
    *value == '.'
}

impl DataSettings {
    /// Whether the data come from standard input.
    #[must_use]
    pub fn is_stdin(&self) -> bool {
        self.path == "-"
    }

    /// The settings of a text file of which nothing is known.
    pub(crate) fn of_text() -> Self {
        Self {
            path: String::new(),
            join: vec![],
            time: None,
            time_format: None,
            timezone: None,
            frequency: None,
            weekdays: None,
            holidays: vec![],
            session: None,
            delimiter: None,
            decimal: '.',
            thousands: None,
            comment: None,
            skip_lines: 0,
            header: true,
            missing: default_missing(),
            skip_rows: vec![],
            max_gap: 0,
            series: None,
            targets: vec!["*".into()],
            exclude: vec![],
            hide_history: false,
            calendar: None,
            covariates: vec![],
            channels: vec![],
            statics: None,
            array: None,
        }
    }

    /// Which days and times have rows.
    ///
    /// # Errors
    /// If a holiday is not a date.
    pub(crate) fn rules(&self) -> Result<Rules, ConfigError> {
        let day = |text: &String| {
            day_number(text)
                .ok_or_else(|| ConfigError::invalid("data.holidays", format!("\"{text}\" is not a date"), "use the form \"2021-12-24\""))
        };
        let holidays = self.holidays.iter().map(day).collect::<Result<_, _>>()?;
        Ok(Rules { weekdays: self.weekdays, holidays, session: self.session })
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        if self.targets.is_empty() {
            return Err(ConfigError::invalid("data.targets", "the list is empty", "give the columns to forecast, or [\"*\"] for all"));
        }
        self.validate_text()?;
        self.validate_time()?;
        self.covariates.iter().try_for_each(Covariate::validate)?;
        if let Some(statics) = &self.statics {
            statics.validate(self.series.is_some())?;
        }
        for (index, channel) in self.channels.iter().enumerate() {
            channel.validate()?;
            if self.channels[..index].iter().any(|other| other.name == channel.name) {
                return Err(ConfigError::invalid(
                    "data.channels",
                    format!("two channels are named \"{}\"", channel.name),
                    "give each its own name",
                ));
            }
        }
        Ok(())
    }

    /// Checks the keys of the text format.
    fn validate_text(&self) -> Result<(), ConfigError> {
        let separators = [("data.delimiter", self.delimiter), ("data.thousands", self.thousands), ("data.comment", self.comment)];
        for (key, separator) in separators {
            if let Some(found) = separator.filter(|c| *c == '"' || (!c.is_ascii() && key != "data.thousands")) {
                return Err(ConfigError::invalid(
                    key,
                    format!("{found:?} is not possible here"),
                    "use an ASCII character other than the quote",
                ));
            }
        }
        if !matches!(self.decimal, '.' | ',') {
            return Err(ConfigError::invalid("data.decimal", format!("{:?} is not possible here", self.decimal), "use \".\" or \",\""));
        }
        let digit = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | 'e' | 'E');
        if self.thousands.is_some_and(|c| c == self.decimal || digit(c)) {
            return Err(ConfigError::invalid(
                "data.thousands",
                "the thousands separator is also the decimal separator or part of a number",
                "use different separators, such as decimal = \",\" and thousands = \".\"",
            ));
        }
        if self.delimiter == Some(self.decimal) {
            return Err(ConfigError::invalid("data.decimal", "the decimal separator is also data.delimiter", "use different characters"));
        }
        Ok(())
    }

    /// Checks the keys of the time column.
    fn validate_time(&self) -> Result<(), ConfigError> {
        let no_time = self.time.is_none();
        let without_use = [
            ("data.calendar", self.calendar.as_ref().is_some_and(|c| !c.is_empty())),
            ("data.time_format", self.time_format.is_some()),
            ("data.timezone", self.timezone.is_some()),
            ("data.weekdays", self.weekdays.is_some()),
            ("data.holidays", !self.holidays.is_empty()),
            ("data.session", self.session.is_some()),
            ("data.join", !self.join.is_empty()),
            ("data.series", self.series.is_some()),
        ];
        if let Some((key, _)) = without_use.into_iter().find(|(_, set)| *set && no_time) {
            return Err(ConfigError::invalid(key, "the key needs timestamps", "set data.time to the time column, or remove the key"));
        }
        self.rules()?;
        if let Some(format) = &self.time_format {
            TimeFormat::parse(format)
                .map_err(|hint| ConfigError::invalid("data.time_format", format!("\"{format}\" cannot be used"), hint))?;
        }
        if self.time.as_ref().is_some_and(|time| time.names().is_empty()) {
            return Err(ConfigError::invalid("data.time", "the list is empty", "give at least one column, or remove the key"));
        }
        Ok(())
    }
}
