//! Rows, stamps and windows.

use serde::Serialize;

use super::{Finding, Kind, Severity, split};
use crate::data::Dataset;

/// What the reader found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Facts {
    /// Number of rows, including filled rows.
    pub rows: usize,
    /// Number of segments without gaps.
    pub segments: usize,
    /// Timestamp of the first row; without a time column, `row 0`.
    pub first: String,
    /// Timestamp of the last row.
    pub last: String,
    /// The time step; `None` without a time column.
    pub step: Option<String>,
    /// The zone of the timestamps; `None` if they have none.
    pub zone: Option<String>,
    /// Rows per season.
    pub season: usize,
    /// Number of targets.
    pub targets: usize,
    /// Number of covariates.
    pub covariates: usize,
    /// Number of channels besides the series itself.
    pub channels: usize,
    /// Number of training, validation and test windows; `None` if there are no training windows.
    pub windows: Option<Windows>,
    /// What the reader noted, one sentence each.
    pub notes: Vec<String>,
}

/// The number of windows in each part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Windows {
    /// Windows to fit the weights.
    pub training: usize,
    /// Windows to select the weights.
    pub validation: usize,
    /// Windows to evaluate the weights.
    pub test: usize,
}

impl Facts {
    /// The facts of a dataset. Parts without windows become findings.
    pub(super) fn of(data: &Dataset, findings: &mut Vec<Finding>) -> Self {
        let windows = match data.count_windows() {
            Ok((counts, refused)) => {
                if let Some(e) = refused {
                    let (text, advice) = split(&e.to_string());
                    let text = format!("the model cannot be evaluated: {text}");
                    findings.push(Finding::new(Severity::Warning, Kind::NoTestWindows, text, advice));
                }
                Some(Windows { training: counts.training, validation: counts.validation, test: counts.test })
            }
            Err(e) => {
                let (text, advice) = split(&e.to_string());
                findings.push(Finding::new(Severity::Error, Kind::NoWindows, text, advice));
                None
            }
        };
        let shape = data.shape();
        Self {
            rows: data.rows(),
            segments: data.segments().len(),
            first: data.format_row(0),
            last: data.format_row(data.rows().saturating_sub(1)),
            step: data.frequency().map(|frequency| frequency.to_string()),
            zone: data.zone_name().map(str::to_owned),
            season: data.season(),
            targets: shape.num_targets,
            covariates: shape.num_covariates,
            channels: shape.num_channels - 1,
            windows,
            notes: data.report().notes.clone(),
        }
    }
}

/// For each row, the number of columns with a value, and of those that are zero.
pub(super) fn rows(data: &Dataset) -> Vec<(u32, u32)> {
    let mut rows = vec![(0, 0); data.rows()];
    for column in 0..data.columns() {
        let offset = data.column_offset(column);
        for (row, value) in rows.iter_mut().zip(data.column_values(column, 0..data.rows())) {
            row.0 += u32::from(!value.is_nan());
            row.1 += u32::from(offset == 0.0 && value == 0.0);
        }
    }
    rows
}
