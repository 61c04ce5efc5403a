//! A sentence on whether a model beats its reference.

use crate::forecast::metrics::Scored;
use crate::forecast::report::{Report, number, scaled_crps};
use std::fmt::Write as _;

/// Series whose training deviations differ by more than this factor are not averaged in the units of the data: the series with the
/// largest numbers would decide alone.
const SAME_SCALE: f64 = 10.0;
/// A score that is this many times the reference is told as such; a percentage would be a long number.
const MANY_TIMES: f64 = 1000.0;

/// A score of the model, and that of the reference.
#[derive(Clone, Copy)]
struct Pair(f64, f64);

impl Pair {
    /// "12.3 % lower", for a reference that is not perfect.
    fn change(self) -> String {
        change(1.0 - self.0 / self.1)
    }

    fn is_better(self) -> bool {
        self.0 < self.1
    }

    fn numbers(self) -> String {
        format!("({} against {})", number(self.0), number(self.1))
    }

    /// The verdict with the numbers on which it is based. `of` says what kind of mean the scores are.
    fn judge(self, reference: &str, of: &str) -> String {
        let Self(score, other) = self;
        match (score == 0.0, other == 0.0) {
            (true, true) => format!("The model does not beat {reference}: both are without error here (CRPS 0)"),
            (false, true) => format!("The model does not beat {reference}, which is without error here (CRPS {} against 0)", number(score)),
            _ => {
                let verb = if self.is_better() { "beats" } else { "does not beat" };
                format!("The model {verb} {reference}: {of}its CRPS is {} {}", self.change(), self.numbers())
            }
        }
    }
}

/// "12.3 % lower" for a skill of 0.123.
fn change(skill: f64) -> String {
    if 1.0 - skill >= MANY_TIMES {
        return format!("{} times as high", number(1.0 - skill));
    }
    format!("{:.1} % {}", 100.0 * skill.abs(), if skill > 0.0 { "lower" } else { "higher" })
}

impl Report {
    /// A sentence on whether the model beats its reference, and by how much. Where the scales of the series differ, the verb follows the
    /// mean over the series of the scores in units of the training deviations, and the mean in the units of the data is told after it.
    #[must_use]
    pub fn verdict(&self) -> Option<String> {
        let [model, simpler @ .., reference] = self.forecasters.as_slice() else { return None };
        let plain = Pair(model.overall.crps?, reference.overall.crps?);
        let scaled = self.scaled(model, reference).filter(|_| plain.1 > 0.0);
        let mut text = match scaled {
            None => plain.judge(&reference.label, ""),
            Some(pair) => pair.judge(&reference.label, "as a mean over the series, each divided by its training deviation, "),
        };
        let scored = model.per_series.iter().filter(|m| m.count > 0).count();
        if scored > 1 {
            if scaled.is_none() {
                text += &self.mean_over_series(scored);
            }
            let pairs = model.per_series.iter().zip(&reference.per_series);
            let better = pairs.filter(|(a, b)| a.crps.zip(b.crps).is_some_and(|(a, b)| a < b)).count();
            let _ = write!(text, "; it is better on {better} of {scored} series");
        }
        text.push('.');
        if let Some(pair) = scaled {
            let _ = write!(
                text,
                " In the units of the data, where the series with the largest numbers decide, its CRPS is {} {}",
                plain.change(),
                plain.numbers()
            );
            text += if pair.is_better() == plain.is_better() { "." } else { ": the two disagree." };
        }
        // A simpler baseline that beats the model must be mentioned, even if the model beats the reference.
        for naive in simpler {
            let (pair, of) = match scaled {
                None => (naive.overall.crps.map(|crps| Pair(crps, plain.0)), ""),
                Some(_) => (self.scaled(naive, model), " as this mean over the series"),
            };
            if let Some(pair) = pair.filter(|pair| pair.is_better()) {
                let _ = write!(text, " However, {} is better than the model: its CRPS is {}{of}.", naive.label, number(pair.0));
            }
        }
        Some(text)
    }

    /// The mean over the series of CRPS / training deviation; `None` if the series have one scale.
    fn scaled(&self, score: &Scored, reference: &Scored) -> Option<Pair> {
        let scored = self.deviation.iter().zip(&score.per_series).filter(|(_, m)| m.count > 0).map(|(&deviation, _)| deviation);
        let (least, greatest) = scored.fold((f64::INFINITY, 0.0_f64), |(least, greatest), d| (least.min(d), greatest.max(d)));
        let mean = |scored: &Scored| scaled_crps(scored, &self.deviation);
        (greatest > SAME_SCALE * least).then(|| Some(Pair(mean(score)?, mean(reference)?)))?
    }

    /// The mean of the skills of the series as a part of the sentence, with the number of series that have none.
    fn mean_over_series(&self, scored: usize) -> String {
        let Some((skill, mean)) = self.skill.as_ref().and_then(|skill| Some((skill, skill.mean_crps_over_series?))) else {
            return String::new();
        };
        let mean = change(mean);
        match skill.perfect_references {
            0 => format!(", {mean} on average over the series"),
            n => format!(", {mean} on average over the series ({n} of {scored} left out: {} is without error there)", skill.reference),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::metrics::{Measures, ScoreSpec};

    /// The verdict on forecasters with these CRPS by series, the model first.
    fn verdict(deviation: &[f64], crps: &[&[f64]]) -> String {
        let measures = |crps: f64| Measures { count: 4, crps: Some(crps), ..Measures::default() };
        let names = ["model", "naive", "seasonal naive"];
        let scored = |(label, crps): (&str, &&[f64])| Scored {
            label: label.to_owned(),
            overall: measures(crps.iter().sum::<f64>() / crps.len() as f64),
            per_series: crps.iter().map(|&c| measures(c)).collect(),
            per_step: vec![],
        };
        let names = if crps.len() == 2 { vec![names[0], names[2]] } else { names.to_vec() };
        let series = (0..deviation.len()).map(|i| i.to_string()).collect();
        let spec = ScoreSpec { series, deviation: deviation.to_vec(), horizon: 1, levels: vec![0.5] };
        Report::new(&spec, names.into_iter().zip(crps).map(scored).collect()).verdict().expect("two forecasters")
    }

    #[test]
    fn one_scale_is_told_in_the_units_of_the_data() {
        assert_eq!(
            verdict(&[1.0, 9.0], &[&[1.0, 3.0], &[4.0, 6.0], &[2.0, 4.0]]),
            "The model beats seasonal naive: its CRPS is 33.3 % lower (2.0000 against 3.0000), 37.5 % lower on average over the series; it \
             is better on 2 of 2 series."
        );
        assert_eq!(
            verdict(&[1.0], &[&[3.0], &[2.0], &[2.5]]),
            "The model does not beat seasonal naive: its CRPS is 20.0 % higher (3.0000 against 2.5000). However, naive is better than the \
             model: its CRPS is 2.0000."
        );
    }

    #[test]
    fn numbers_keep_five_digits_at_any_scale() {
        assert!(verdict(&[1.0], &[&[3.5e-11], &[7e-11]]).ends_with("its CRPS is 50.0 % lower (3.5000e-11 against 7.0000e-11)."));
        assert!(verdict(&[1.0], &[&[9e30], &[6e30]]).ends_with("its CRPS is 50.0 % higher (9.0000e30 against 6.0000e30)."));
        assert!(verdict(&[1.0], &[&[5e6], &[0.002]]).contains("its CRPS is 2.5000e9 times as high (5000000 against 0.0020000)"));
    }

    #[test]
    fn a_perfect_reference_is_not_passed_over() {
        assert_eq!(
            verdict(&[1.0, 100.0], &[&[1.2, 2.0], &[2.0, 3.0], &[0.0, 0.0]]),
            "The model does not beat seasonal naive, which is without error here (CRPS 1.6000 against 0); it is better on 0 of 2 series."
        );
        assert_eq!(verdict(&[1.0], &[&[0.0], &[0.0]]), "The model does not beat seasonal naive: both are without error here (CRPS 0).");
        // On one of two series.
        assert!(verdict(&[1.0, 1.0], &[&[1.0, 1.0], &[4.0, 0.0]]).contains(
            "50.0 % lower (1.0000 against 2.0000), 75.0 % lower on average over the series (1 of 2 left out: seasonal naive is without \
             error there); it is better on 1 of 2 series."
        ));
    }

    #[test]
    fn other_scales_are_told_in_training_deviations() {
        assert_eq!(
            verdict(&[1000.0, 1.0], &[&[500.0, 0.9], &[900.0, 0.6], &[1000.0, 0.1]]),
            "The model does not beat seasonal naive: as a mean over the series, each divided by its training deviation, its CRPS is 27.3 % \
             higher (0.70000 against 0.55000); it is better on 1 of 2 series. In the units of the data, where the series with the largest \
             numbers decide, its CRPS is 49.9 % lower (250.45 against 500.05): the two disagree."
        );
        let agree = verdict(&[1000.0, 1.0], &[&[500.0, 0.9], &[900.0, 0.4], &[1000.0, 1.0]]);
        assert!(agree.starts_with("The model beats seasonal naive: as a mean over the series"), "{agree}");
        assert!(agree.contains("numbers decide, its CRPS is 50.0 % lower (250.45 against 500.50)."), "{agree}");
        assert!(agree.ends_with("However, naive is better than the model: its CRPS is 0.65000 as this mean over the series."), "{agree}");
    }
}
