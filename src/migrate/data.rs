//! Columns and rows: targets, drivers, and the split.

use toml::{Table, Value};

use super::draft::Draft;
use super::yaml::{Entry, Old};
use super::{Fate, MigrateError};
use crate::config::suggest::{nearest, nearest_few};

/// Information about the data file that is not in the old configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DataFile {
    /// The path for the new configuration; none to use the path of the old one.
    pub path: Option<String>,
    /// The column names, if they are known.
    pub header: Option<Vec<String>>,
    /// The number of rows without the header, if it is known.
    pub rows: Option<usize>,
}

/// Column names of a time column.
const TIMES: [&str; 4] = ["date", "time", "timestamp", "datetime"];

/// The roles of the columns.
pub(super) struct Columns {
    pub(super) targets: Vec<String>,
    covariates: Vec<String>,
    /// Whether the drivers could not be determined.
    unknown_drivers: bool,
}

impl Columns {
    pub(super) fn of(old: &Old, file: &DataFile) -> Result<Self, MigrateError> {
        let features = features(old)?;
        let entry = old.get("target");
        let listed = entry.map(Entry::texts).transpose()?.filter(|t| !t.is_empty());
        let Some(header) = &file.header else {
            let ours = path(old)?.contains("synthetic");
            let targets = match (listed, features.as_str(), ours) {
                (Some(listed), ..) => listed,
                (None, _, true) => vec!["target_{i}".into()],
                (None, ..) => vec!["*".into()],
            };
            let drivers = features != "S" && ours;
            let covariates =
                if drivers { ["wave_{i}", "covariate_gradient", "covariate_dispersion"].map(String::from).to_vec() } else { vec![] };
            let unknown_drivers = features != "S" && !ours && targets != ["*"];
            return Ok(Self { targets, covariates, unknown_drivers });
        };
        if let Some((name, line)) = listed.iter().flatten().find(|t| !header.contains(t)).zip(entry.map(|e| e.line)) {
            let names = || header.iter().map(String::as_str);
            let hint = match nearest(name, names()) {
                Some(best) => format!("did you mean \"{best}\"?"),
                None => format!("the nearest are {}", nearest_few(name, names(), 5).join(", ")),
            };
            return Err(MigrateError::Target { line, name: name.clone(), hint });
        }
        let time = time(file);
        let others: Vec<&String> = header.iter().filter(|c| Some(*c) != time.as_ref()).collect();
        let named: Vec<String> = others.iter().filter(|c| c.starts_with("target")).map(|c| (*c).clone()).collect();
        let targets = match (listed, features.as_str()) {
            (Some(listed), _) => listed,
            (None, _) if !named.is_empty() => named,
            (None, "M") => vec!["*".into()],
            (None, _) => others.last().map(|c| (*c).clone()).into_iter().collect(),
        };
        let drives = |c: &&&String| features != "S" && targets != ["*"] && !targets.contains(**c);
        let covariates = others.iter().filter(drives).map(|c| (*c).clone()).collect();
        Ok(Self { targets, covariates, unknown_drivers: false })
    }
}

fn features(old: &Old) -> Result<String, MigrateError> {
    let Some(entry) = old.value("features", Some("M")) else { return Ok("M".into()) };
    let text = entry.text()?.to_uppercase();
    if ["M", "MS", "S"].contains(&text.as_str()) { Ok(text) } else { Err(entry.wrong("not one of M, MS and S")) }
}

/// The time column; `date` if the header is not known.
pub(super) fn time(file: &DataFile) -> Option<String> {
    let Some(header) = &file.header else { return Some("date".into()) };
    header.iter().find(|c| TIMES.contains(&c.to_lowercase().as_str())).cloned()
}

/// The path of the data file in the old configuration.
pub(super) fn path(old: &Old) -> Result<String, MigrateError> {
    let part = |key, default| old.value(key, Some(default)).map_or(Ok(String::new()), |e| e.text());
    let (root, name) = (part("root_path", "data")?, part("data_path", "synthetic_multi_wave.csv")?);
    let root = root.trim_end_matches('/').trim_start_matches("./");
    Ok(if root.is_empty() || root == "." || name.starts_with('/') { name } else { format!("{root}/{name}") })
}

/// Writes `[data]`, and `[split]` if the numbers of rows are known.
pub(super) fn write(old: &Old, file: &DataFile, draft: &mut Draft) -> Result<(), MigrateError> {
    draft.set("data", "path", file.path.clone().map_or_else(|| path(old), Ok)?);
    let time = time(file);
    if let Some(time) = &time {
        draft.set("data", "time", time.as_str());
    }
    let columns = Columns::of(old, file)?;
    draft.set("data", "targets", columns.targets.clone());
    if !columns.covariates.is_empty() {
        let inline = |c: &String| Value::Table(Table::from_iter([("column".to_owned(), Value::from(c.as_str()))]));
        draft.set("data", "covariates", columns.covariates.iter().map(inline).collect::<Vec<Value>>());
    }
    let length = |key| old.get(key).map(Entry::whole).transpose();
    if let (Some(validation), Some(test), Some(rows)) = (length("validation_length")?, length("test_length")?, file.rows)
        && let Some(train) = rows.checked_sub(validation + test)
    {
        draft.count("split", "train_rows", train);
        draft.count("split", "validation_rows", validation);
        draft.count("split", "test_rows", test);
    }
    Ok(())
}

/// The account of the targets.
pub(super) fn target(old: &Old, file: &DataFile) -> Result<Fate, MigrateError> {
    let columns = Columns::of(old, file)?;
    let now = format!("data.targets = {}", list(&columns.targets));
    if columns.unknown_drivers {
        let why = "the driver columns cannot be determined without the data file; give that file too, or list them in data.covariates";
        return Ok(Fate::Changed(now, why.into()));
    }
    Ok(Fate::Renamed(now))
}

/// The account of M, MS and S.
pub(super) fn described(old: &Old, file: &DataFile) -> Result<Fate, MigrateError> {
    let columns = Columns::of(old, file)?;
    let now = format!("{} entries in data.targets and {} in data.covariates", columns.targets.len(), columns.covariates.len());
    Ok(Fate::Changed(now, "columns that are not targets are drivers with an unknown future; with S, there are no drivers".into()))
}

/// The account of the numbers of validation and test rows.
pub(super) fn length(old: &Old, file: &DataFile, key: &'static str) -> Result<Fate, MigrateError> {
    let rows = old.get(key).map_or(Ok(0), Entry::whole)?;
    let both = old.get("validation_length").is_some() && old.get("test_length").is_some();
    let now = if key == "test_length" { "split.test_rows" } else { "split.validation_rows" };
    Ok(match (both, file.rows) {
        (true, Some(_)) => Fate::Renamed(format!("{now} = {rows}")),
        (false, _) => Fate::Dropped("the split needs both lengths; set split.train_rows, validation_rows and test_rows".into()),
        (true, None) => Fate::Dropped(format!(
            "the split needs all three numbers of rows; set split.train_rows, validation_rows and test_rows ({now} = {rows}), or give the \
             data file too"
        )),
    })
}

fn list(names: &[String]) -> String {
    Value::from(names.to_vec()).to_string()
}
