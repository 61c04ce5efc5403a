//! Final scores of several forecasters: JSON for programs, aligned text for people.

use crate::forecast::metrics::{INTERVALS, Measures, ScoreSpec, Scored};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// Improvement over a reference: 1 - score / score of the reference. 1 is perfect, 0 is no improvement, negative is worse.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Skill {
    /// Name of the reference.
    pub reference: String,
    /// Skill of the overall CRPS.
    pub crps: Option<f64>,
    /// Skill of the overall mean pinball loss.
    pub mean_pinball: Option<f64>,
    /// Skill of the overall MAE.
    pub mae: Option<f64>,
    /// Skill of the overall MSE.
    pub mse: Option<f64>,
    /// Mean of the CRPS skills of the series, so that units do not weight the series. Series without a skill (nothing observed, or a
    /// perfect reference) are left out.
    pub mean_crps_over_series: Option<f64>,
    /// Number of series that `mean_crps_over_series` leaves out because the reference is perfect (its CRPS is 0).
    #[serde(default)]
    pub perfect_references: usize,
    /// Skill of the mean over the series of CRPS / training deviation. No series is left out, and units do not weight the series.
    #[serde(default)]
    pub scaled_crps: Option<f64>,
}

/// Scores of a model and its baselines on the same values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Names of the targets, `[Nt]`.
    pub series: Vec<String>,
    /// Standard deviation of each target's training part, `[Nt]`.
    #[serde(default)]
    pub deviation: Vec<f64>,
    /// Levels of the pinball loss, `[Q]`.
    pub levels: Vec<f64>,
    /// Central intervals of `coverage`.
    pub intervals: Vec<f64>,
    /// The model first, then the baselines.
    pub forecasters: Vec<Scored>,
    /// Skill of the first forecaster against the last; `None` if there is only one.
    pub skill: Option<Skill>,
}

/// 1 - score / reference; `None` if one of them is missing, or if the reference is perfect.
fn skill_of(score: Option<f64>, reference: Option<f64>) -> Option<f64> {
    let (score, reference) = (score?, reference?);
    (reference > 0.0).then(|| 1.0 - score / reference)
}

/// The mean over the scored series of CRPS / training deviation.
pub(super) fn scaled_crps(scored: &Scored, deviation: &[f64]) -> Option<f64> {
    let all: Vec<f64> = scored.per_series.iter().zip(deviation).filter_map(|(m, deviation)| Some(m.crps? / deviation)).collect();
    (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
}

impl Skill {
    /// Skill of `forecaster` against `reference`. `deviation` is the standard deviation of each target's training part, `[Nt]`.
    pub fn new(forecaster: &Scored, reference: &Scored, deviation: &[f64]) -> Self {
        let (a, b) = (&forecaster.overall, &reference.overall);
        let pairs = forecaster.per_series.iter().zip(&reference.per_series);
        let of_series: Vec<f64> = pairs.filter_map(|(a, b)| skill_of(a.crps, b.crps)).collect();
        Self {
            reference: reference.label.clone(),
            crps: skill_of(a.crps, b.crps),
            mean_pinball: skill_of(a.mean_pinball, b.mean_pinball),
            mae: skill_of(a.mae, b.mae),
            mse: skill_of(a.mse, b.mse),
            mean_crps_over_series: (!of_series.is_empty()).then(|| of_series.iter().sum::<f64>() / of_series.len() as f64),
            perfect_references: reference.per_series.iter().filter(|m| m.crps == Some(0.0)).count(),
            scaled_crps: skill_of(scaled_crps(forecaster, deviation), scaled_crps(reference, deviation)),
        }
    }
}

impl Report {
    /// The report on `forecasters`: the model first; the reference for skill (seasonal naive, or climatology) last.
    pub fn new(spec: &ScoreSpec, forecasters: Vec<Scored>) -> Self {
        let skill = match forecasters.as_slice() {
            [first, .., last] => Some(Skill::new(first, last, &spec.deviation)),
            _ => None,
        };
        let (series, deviation, levels) = (spec.series.clone(), spec.deviation.clone(), spec.levels.clone());
        Self { series, deviation, levels, intervals: INTERVALS.to_vec(), forecasters, skill }
    }

    /// The report as indented JSON.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }

    /// The overall scores as aligned text: one row per measure, one column per forecaster, followed by the skill.
    pub fn to_text(&self) -> String {
        let mut rows = vec![self.header("")];
        let row = |name: String, value: &dyn Fn(&Measures) -> Option<String>| {
            let cells = self.forecasters.iter().map(|f| value(&f.overall).unwrap_or_else(|| "-".to_owned()));
            std::iter::once(name).chain(cells).collect::<Vec<_>>()
        };
        rows.push(row("NLL (nats)".to_owned(), &|m| m.nll.map(number)));
        rows.push(row("CRPS".to_owned(), &|m| m.crps.map(number)));
        let levels = match self.levels.len() {
            1 => "1 level".to_owned(),
            n => format!("{n} levels"),
        };
        rows.push(row(format!("pinball, {levels}"), &|m| m.mean_pinball.map(number)));
        rows.push(row("MAE of median".to_owned(), &|m| m.mae.map(number)));
        rows.push(row("MSE of mean".to_owned(), &|m| m.mse.map(number)));
        rows.push(row("standardised MAE".to_owned(), &|m| m.standardised_mae.map(number)));
        rows.push(row("standardised MSE".to_owned(), &|m| m.standardised_mse.map(number)));
        for (i, interval) in self.intervals.iter().enumerate() {
            let name = format!("inside {:.0} % interval", 100.0 * interval);
            rows.push(row(name, &|m| m.coverage.get(i).map(|&share| percent(share))));
        }
        rows.push(row("values scored".to_owned(), &|m| Some(m.count.to_string())));
        let mut text = align(&rows);
        if let Some(skill) = &self.skill {
            let parts = [
                ("CRPS", skill.crps),
                ("pinball", skill.mean_pinball),
                ("MAE", skill.mae),
                ("MSE", skill.mse),
                ("mean CRPS over series", skill.mean_crps_over_series),
            ];
            let parts: Vec<String> = parts.iter().filter_map(|(name, s)| s.map(|s| format!("{name} {}", percent(s)))).collect();
            let name = &skill.reference;
            if !parts.is_empty() {
                let _ = write!(text, "\nskill against {name}: {}", parts.join(", "));
                text += &match skill.perfect_references {
                    0 => "\n".to_owned(),
                    1 => format!(" (without 1 series, on which {name} is without error)\n"),
                    n => format!(" (without {n} series, on which {name} is without error)\n"),
                };
            } else if skill.perfect_references > 0 {
                let _ = writeln!(text, "\nskill against {name}: none, because {name} is without error");
            }
        }
        text
    }

    /// The CRPS of each series as aligned text, one column per forecaster.
    pub fn series_text(&self) -> String {
        self.crps_rows("CRPS by series", &self.series, |f| &f.per_series)
    }

    /// The CRPS of each step of the horizon as aligned text, one column per forecaster. The first step is 1.
    pub fn step_text(&self) -> String {
        let steps = self.forecasters.first().map_or(0, |f| f.per_step.len());
        let names: Vec<String> = (1..=steps).map(|step| step.to_string()).collect();
        self.crps_rows("CRPS by step", &names, |f| &f.per_step)
    }

    fn header(&self, first: &str) -> Vec<String> {
        std::iter::once(first).chain(self.forecasters.iter().map(|f| f.label.as_str())).map(str::to_owned).collect()
    }

    fn crps_rows(&self, title: &str, names: &[String], part: impl Fn(&Scored) -> &[Measures]) -> String {
        let mut rows = vec![self.header(title)];
        for (i, name) in names.iter().enumerate() {
            let cell = |f| part(f).get(i).and_then(|m: &Measures| m.crps).map_or_else(|| "-".to_owned(), number);
            rows.push(std::iter::once(name.clone()).chain(self.forecasters.iter().map(cell)).collect());
        }
        align(&rows)
    }
}

/// Formats with five significant digits.
pub(super) fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    #[expect(clippy::cast_possible_truncation, reason = "the decimal exponent of an f64 fits an i32")]
    let exponent = value.abs().log10().floor() as i32;
    match usize::try_from(4 - exponent) {
        Ok(decimals) if exponent > -5 => format!("{value:.decimals$}"),
        Err(_) if exponent < 9 => format!("{value:.0}"),
        _ => format!("{value:.4e}"),
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// Pads columns to their widest cell, two spaces apart. The first column is left-aligned, the others are right-aligned.
fn align(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().filter_map(|r| r.get(column)).map(|c| c.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = width(column);
            let _ = if column == 0 { write!(line, "{cell:<width$}") } else { write!(line, "  {cell:>width$}") };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measures(crps: f64) -> Measures {
        Measures { count: 4, crps: Some(crps), mae: Some(2.0 * crps), coverage: vec![0.5, 0.75, 1.0], ..Measures::default() }
    }

    fn scored(label: &str, crps: [f64; 2]) -> Scored {
        let overall = measures(0.5 * (crps[0] + crps[1]));
        let per = crps.map(measures).to_vec();
        Scored { label: label.to_owned(), overall, per_series: per.clone(), per_step: per }
    }

    fn report() -> Report {
        let spec = ScoreSpec { series: vec!["a".to_owned(), "bb".to_owned()], deviation: vec![1.0, 1.0], horizon: 2, levels: vec![0.5] };
        Report::new(&spec, vec![scored("model", [1.0, 30.0]), scored("seasonal naive", [2.0, 120.0])])
    }

    #[test]
    fn skill_is_relative_to_the_last_and_averaged_over_series() {
        let skill = report().skill.expect("two forecasters");
        assert_eq!(skill.reference, "seasonal naive");
        assert!((skill.crps.expect("scored") - (1.0 - 31.0 / 122.0)).abs() < 1e-12);
        // Series: 1 - 1/2 and 1 - 30/120.
        assert!((skill.mean_crps_over_series.expect("scored") - 0.625).abs() < 1e-12);
        assert_eq!((skill.mse, skill.perfect_references), (None, 0));
        assert!((skill.scaled_crps.expect("scored") - (1.0 - 31.0 / 122.0)).abs() < 1e-12);
        assert_eq!(skill_of(Some(1.0), Some(0.0)), None);
    }

    #[test]
    fn series_without_a_skill_are_counted() {
        let of = |reference: [f64; 2]| {
            let spec = ScoreSpec { series: report().series, deviation: vec![1.0, 60.0], horizon: 2, levels: vec![0.5] };
            Report::new(&spec, vec![scored("model", [1.0, 30.0]), scored("naive", reference)])
        };
        let (one, all) = (of([0.0, 120.0]), of([0.0, 0.0]));
        let skill = one.skill.as_ref().expect("two forecasters");
        assert_eq!((skill.mean_crps_over_series, skill.perfect_references), (Some(0.75), 1));
        // The scaled scores of the model are 1 and 1/2, those of the reference 0 and 2.
        assert_eq!(skill.scaled_crps, Some(0.25));
        assert!(one.to_text().ends_with("mean CRPS over series 75.0 % (without 1 series, on which naive is without error)\n"));
        let skill = all.skill.as_ref().expect("two forecasters");
        assert_eq!((skill.mean_crps_over_series, skill.perfect_references, skill.scaled_crps), (None, 2, None));
        assert!(all.to_text().ends_with("\nskill against naive: none, because naive is without error\n"), "{}", all.to_text());
    }

    #[test]
    fn json_comes_back_the_same() {
        let report = report();
        let back: Report = serde_json::from_str(&report.to_json().expect("serialises")).expect("parses");
        assert_eq!(back, report);
    }

    #[test]
    fn text_is_aligned() {
        let text = report().to_text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "                        model  seasonal naive");
        assert_eq!(lines[2], "CRPS                   15.500          61.000");
        assert_eq!(lines[1], "NLL (nats)                  -               -");
        assert_eq!(lines[8], "inside 50 % interval   50.0 %          50.0 %");
        assert_eq!(lines[13], "skill against seasonal naive: CRPS 74.6 %, MAE 74.6 %, mean CRPS over series 62.5 %");
        let widths: Vec<usize> = lines[..12].iter().map(|l| l.len()).collect();
        assert!(widths.iter().all(|&w| w == widths[0]), "{widths:?}");
        assert_eq!(report().series_text().lines().nth(2), Some("bb              30.000          120.00"));
        assert_eq!(report().step_text().lines().count(), 3);
    }

    #[test]
    fn numbers_keep_five_digits() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1.0000"),
            (-12.345_67, "-12.346"),
            (123_456.7, "123457"),
            (0.000_123_456, "0.00012346"),
            (1.234_567e-9, "1.2346e-9"),
            (1.234_567e12, "1.2346e12"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
