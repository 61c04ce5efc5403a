//! Baseline forecasts that any model should beat: naive, seasonal naive, and the training climatology for targets with a hidden history.

use crate::forecast::empirical::Empirical;
use crate::forecast::predictive::{Point, Predictive};
use thiserror::Error;

/// Access to the past of a target in original units.
pub trait TargetHistory {
    /// The value of `target`, `steps_before_origin` rows before the last history row of `window` (0 is that row itself). `None` if the
    /// value is missing, or if the row is before the start of the data or of the window's segment. Callers may ask for rows before the
    /// window's history, because a season can be longer than the history.
    fn value(&self, window: usize, target: usize, steps_before_origin: usize) -> Option<f64>;
}

impl<F: Fn(usize, usize, usize) -> Option<f64>> TargetHistory for F {
    fn value(&self, window: usize, target: usize, steps_before_origin: usize) -> Option<f64> {
        self(window, target, steps_before_origin)
    }
}

/// A kind of baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Baseline {
    /// The last observed value; missing values are skipped.
    Naive,
    /// The value at the same position in the latest season before the origin. If it is missing, the value one season earlier, and so on.
    SeasonalNaive,
    /// The empirical distribution of the training values.
    Climatology,
}

impl Baseline {
    /// Name in reports.
    pub fn label(self) -> &'static str {
        match self {
            Baseline::Naive => "naive",
            Baseline::SeasonalNaive => "seasonal naive",
            Baseline::Climatology => "climatology",
        }
    }
}

/// Errors of baselines.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BaselineError {
    /// The target has no finite training value.
    #[error("target {target} has no observed value in the training part, so it has no baseline: remove the target or move the split")]
    NoTrainingValue {
        /// Index of the target.
        target: usize,
    },
    /// `hidden` and the training values have different numbers of targets.
    #[error("hidden has {hidden} entries, but there are {targets} targets with training values")]
    Targets {
        /// Number of entries in `hidden`.
        hidden: usize,
        /// Number of targets with training values.
        targets: usize,
    },
    /// The season has no steps.
    #[error("the season must be at least one step")]
    Season,
}

/// The forecast of a baseline for one value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum BaselineForecast<'a> {
    /// Naive or seasonal naive.
    Point(Point),
    /// Climatology.
    Climatology(&'a Empirical),
}

/// The baselines of all targets.
///
/// If nothing was observed within `reach` rows before the origin, the point forecast is the training mean. A target with a hidden history
/// gets its climatology instead of both naive forecasts.
#[derive(Debug, Clone)]
pub struct Baselines {
    season: usize,
    reach: usize,
    /// `[Nt]`.
    training: Vec<Training>,
}

/// The stored summary of a target's training values. The values themselves take as much memory as the data, so they are kept only if
/// needed.
#[derive(Debug, Clone)]
enum Training {
    /// The distribution of the training values, if the target's history is hidden.
    Hidden(Empirical),
    /// The mean of the training values, if the history is visible.
    Visible(f64),
}

impl Training {
    fn of(values: impl IntoIterator<Item = f64>, hidden: bool, offset: f64) -> Option<Self> {
        if hidden {
            return Empirical::new(values, offset).map(Self::Hidden);
        }
        let mut count = 0.0;
        let mut sum = 0.0;
        values.into_iter().filter(|v| v.is_finite()).for_each(|v| {
            count += 1.0;
            sum += v;
        });
        (count > 0.0).then(|| Self::Visible(sum / count))
    }

    fn is_hidden(&self) -> bool {
        matches!(self, Self::Hidden(_))
    }
}

impl Baselines {
    /// `season` and `reach` (the number of rows to search back) are in steps. `hidden` tells for each target whether its history is hidden.
    /// `offsets` are the offsets of the targets' climatologies, see [`Empirical::new`]; missing ones are 0. `training` holds the training
    /// values of each target in original units; non-finite values are skipped.
    pub fn new<V>(
        season: usize,
        reach: usize,
        hidden: &[bool],
        offsets: &[f64],
        training: impl IntoIterator<Item = V>,
    ) -> Result<Self, BaselineError>
    where
        V: IntoIterator<Item = f64>,
    {
        if season == 0 {
            return Err(BaselineError::Season);
        }
        let fit = |(target, values)| {
            // A `hidden` that is too short is rejected below.
            let hidden = hidden.get(target).copied().unwrap_or(false);
            let offset = offsets.get(target).copied().unwrap_or(0.0);
            Training::of(values, hidden, offset).ok_or(BaselineError::NoTrainingValue { target })
        };
        let training = training.into_iter().enumerate().map(fit).collect::<Result<Vec<_>, _>>()?;
        if training.len() != hidden.len() {
            return Err(BaselineError::Targets { hidden: hidden.len(), targets: training.len() });
        }
        Ok(Self { season, reach, training })
    }

    /// The baselines to score: only climatology if the history of every target is hidden, otherwise the two naive ones. The last one is the
    /// reference for skill.
    pub fn kinds(&self) -> &'static [Baseline] {
        if self.training.iter().all(Training::is_hidden) { &[Baseline::Climatology] } else { &[Baseline::Naive, Baseline::SeasonalNaive] }
    }

    /// Name of `kind` in reports. It mentions the climatology if this replaces the baseline for some targets.
    pub fn label(&self, kind: Baseline) -> String {
        if kind != Baseline::Climatology && self.training.iter().any(Training::is_hidden) {
            format!("{} (climatology where hidden)", kind.label())
        } else {
            kind.label().to_owned()
        }
    }

    /// The forecast for `step` (0 is the first) of the horizon of `window`. For a target with a visible history, the climatology is only
    /// the mean.
    pub fn forecast(
        &self,
        kind: Baseline,
        history: &impl TargetHistory,
        window: usize,
        target: usize,
        step: usize,
    ) -> BaselineForecast<'_> {
        let mean = match &self.training[target] {
            Training::Hidden(climatology) => return BaselineForecast::Climatology(climatology),
            Training::Visible(mean) => *mean,
        };
        // Rows before the origin: the first row to try, and the stride to the next ones.
        let (first, stride) = match kind {
            Baseline::Climatology => return BaselineForecast::Point(Point(mean)),
            Baseline::Naive => (0, 1),
            Baseline::SeasonalNaive => (self.season - 1 - step % self.season, self.season),
        };
        let past = (first..self.reach).step_by(stride);
        let found = past.filter_map(|back| history.value(window, target, back)).find(|v| v.is_finite());
        BaselineForecast::Point(Point(found.unwrap_or(mean)))
    }
}

impl BaselineForecast<'_> {
    fn inner(&self) -> &dyn Predictive {
        match self {
            BaselineForecast::Point(point) => point,
            BaselineForecast::Climatology(empirical) => *empirical,
        }
    }
}

impl Predictive for BaselineForecast<'_> {
    fn mean(&self) -> f64 {
        self.inner().mean()
    }

    fn std(&self) -> f64 {
        self.inner().std()
    }

    fn quantile(&self, p: f64) -> f64 {
        self.inner().quantile(p)
    }

    fn crps(&self, y: f64) -> f64 {
        self.inner().crps(y)
    }

    fn nll(&self, y: f64) -> Option<f64> {
        self.inner().nll(y)
    }

    fn covers(&self, y: f64, central: f64) -> Option<bool> {
        self.inner().covers(y, central)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Row t of the series has the value t; the origin of window w is row w. Rows before 0 do not exist.
    fn ramp(missing: &'static [usize]) -> impl TargetHistory {
        move |window: usize, _target: usize, back: usize| {
            let row = window.checked_sub(back)?;
            #[expect(clippy::cast_possible_truncation, reason = "test rows are small")]
            let value = row as u16;
            (!missing.contains(&row)).then_some(f64::from(value))
        }
    }

    fn point(b: &Baselines, kind: Baseline, history: &impl TargetHistory, window: usize, step: usize) -> f64 {
        match b.forecast(kind, history, window, 0, step) {
            BaselineForecast::Point(Point(x)) => x,
            other @ BaselineForecast::Climatology(_) => panic!("expected a point, found {other:?}"),
        }
    }

    fn baselines(season: usize, reach: usize) -> Baselines {
        Baselines::new(season, reach, &[false], &[], [vec![-3.0, f64::NAN, -1.0]]).expect("valid")
    }

    #[test]
    fn naive_takes_the_last_observed_value() {
        let b = baselines(24, 50);
        for step in [0, 5, 100] {
            assert_eq!(point(&b, Baseline::Naive, &ramp(&[]), 40, step), 40.0);
            assert_eq!(point(&b, Baseline::Naive, &ramp(&[40, 39]), 40, step), 38.0);
        }
        // Only rows within reach count; here these are rows 39 and 40.
        assert_eq!(point(&baselines(24, 2), Baseline::Naive, &ramp(&[40, 39]), 40, 0), -2.0);
    }

    #[test]
    fn seasonal_naive_takes_the_latest_value_of_the_same_phase_in_the_past() {
        let b = baselines(24, 1000);
        for step in 0..100 {
            let value = point(&b, Baseline::SeasonalNaive, &ramp(&[]), 500, step);
            let target_row = 501 + step;
            #[expect(clippy::cast_possible_truncation, reason = "a small whole number")]
            let row = value as usize;
            assert!(row <= 500 && row > 500 - 24, "step {step}: row {row} is not within the last season");
            assert_eq!((target_row - row) % 24, 0, "step {step}: row {row} has another phase");
        }
    }

    #[test]
    fn seasonal_naive_steps_back_by_seasons_over_missing_values() {
        let b = baselines(24, 1000);
        // Target row 501; rows 477 and 453 are missing.
        assert_eq!(point(&b, Baseline::SeasonalNaive, &ramp(&[477, 453]), 500, 0), 429.0);
        // No rows before the start of the data: the result is the training mean without its missing value.
        assert_eq!(point(&b, Baseline::SeasonalNaive, &ramp(&[]), 10, 0), -2.0);
        assert_eq!(point(&b, Baseline::SeasonalNaive, &ramp(&[]), 10, 13), 0.0);
        // The season exceeds the reach.
        assert_eq!(point(&baselines(24, 23), Baseline::SeasonalNaive, &ramp(&[]), 500, 0), -2.0);
    }

    #[test]
    fn a_hidden_target_gets_its_climatology_and_is_labelled() {
        let training = [vec![0.0, 1.0, 2.0], vec![5.0, 7.0]];
        let mixed = Baselines::new(2, 10, &[false, true], &[0.0, 5.0], training.clone()).expect("valid");
        let forecast = mixed.forecast(Baseline::SeasonalNaive, &ramp(&[]), 9, 1, 0);
        assert_eq!((forecast.mean(), forecast.quantile(0.5)), (6.0, 6.0));
        assert!(matches!(forecast, BaselineForecast::Climatology(_)));
        assert_eq!(point(&mixed, Baseline::SeasonalNaive, &ramp(&[]), 9, 0), 8.0);
        assert_eq!(mixed.label(Baseline::Naive), "naive (climatology where hidden)");
        assert_eq!(mixed.kinds(), [Baseline::Naive, Baseline::SeasonalNaive]);
        let hidden = Baselines::new(2, 10, &[true, true], &[], training).expect("valid");
        assert_eq!(hidden.kinds(), [Baseline::Climatology]);
        assert_eq!(hidden.label(Baseline::Climatology), "climatology");
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let no_values = Baselines::new(1, 1, &[false, false], &[], [vec![1.0], vec![f64::NAN]]);
        assert_eq!(no_values.err(), Some(BaselineError::NoTrainingValue { target: 1 }));
        assert_eq!(Baselines::new(0, 1, &[false], &[], [vec![1.0]]).err(), Some(BaselineError::Season));
        let error = Baselines::new(1, 1, &[], &[], [vec![1.0]]).err();
        assert_eq!(error, Some(BaselineError::Targets { hidden: 0, targets: 1 }));
    }
}
