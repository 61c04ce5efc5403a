//! The data as text: the table, the true graph and a first config.

use std::fmt::Write as _;

use super::{Driver, Synthetic};
use crate::calendar::{format_stamp, grid_stamps};

impl Synthetic {
    /// The table as CSV: date, `wave_*`, `target_*`, `covariate_gradient` (gradient of the mean wave), `covariate_dispersion` (variance
    /// over the first half of the waves).
    #[must_use]
    pub fn csv(&self) -> String {
        let s = self.settings();
        let (gradient, dispersion) = (self.gradient(), self.dispersion());
        let mut text = String::from("date");
        for (name, count) in [("wave", s.waves), ("target", s.targets)] {
            (0..count).for_each(|i| text += &format!(",{name}_{i}"));
        }
        text += ",covariate_gradient,covariate_dispersion\n";
        for (t, stamp) in grid_stamps(s.frequency, s.start, s.rows).enumerate() {
            text += &format_stamp(stamp);
            let series = self.waves.iter().chain(&self.targets).map(|series| series[t]);
            for value in series.chain([gradient[t], dispersion[t]]) {
                // Writing to a string cannot fail.
                let _ = write!(text, ",{value:.6}");
            }
            text.push('\n');
        }
        text
    }

    /// The true graph as an edge list from driver to target: `weight` is the magnitude in M (the column that `[graph]` reads),
    /// `coefficient` is the signed value in M, `lag` is in rows.
    #[must_use]
    pub fn edges_csv(&self) -> String {
        let mut text = String::from("source,target,weight,coefficient,lag\n");
        for (i, row) in self.drivers.iter().enumerate() {
            for (j, Driver { weight, lag }) in row.iter().enumerate().filter(|(_, d)| d.weight != 0.0) {
                let _ = writeln!(text, "wave_{i},target_{j},{:.6},{weight:.6},{lag}", weight.abs());
            }
        }
        text
    }

    /// A first config for the table `data` and the edge list `edges` in the same folder. The future of the waves is not known.
    #[must_use]
    pub fn config(&self, name: &str, data: &str, edges: &str) -> String {
        let s = self.settings();
        // A tenth of the rows are validation rows, which must contain a horizon.
        let horizon = 24.min((s.rows / 10).max(1));
        let patch = if horizon == 24 { 8 } else { 1 };
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let zeros = 100.0 * s.sparsity;
        let graph = if self.drivers.iter().flatten().any(|d| d.weight != 0.0) {
            format!("# Uncomment these two lines to give the model the true graph.\n# [graph]\n# edges = {}\n\n", quoted(edges))
        } else {
            String::new()
        };
        format!(
            "# Synthetic data of pgat: {} waves drive {} targets; seed {}, lags up to {}, {zeros:.0} % of the pairs without effect.\n\
             # Paths are relative to this file.\n\n\
             format_version = 2\nname = {}\n\n\
             [data]\npath = {}\ntime = \"date\"\nfrequency = \"{}\"\ntargets = [\"target_{{i}}\"]\n\
             covariates = [ # their future is unknown\n    {{ column = \"wave_{{i}}\" }},\n    {{ column = \"covariate_gradient\" }},\n    \
             {{ column = \"covariate_dispersion\" }},\n]\n\n\
             {graph}\
             [window]\nhistory = {}\nhorizon = {horizon}\n\n\
             [split]\ntrain = 0.7\nvalidation = 0.1\ntest = 0.2\n\n\
             [model]\npatch_len = {patch}\nuse_instance_norm = false # the targets are sums of the waves: a scale of each window's own would bend that\n\n\
             [training]\nseed = {}\nmax_steps = 400\nvalidate_every = 100\n\n\
             [training.start]\nsteps = 1000\n",
            s.waves,
            s.targets,
            s.seed,
            s.lags,
            quoted(name),
            quoted(data),
            s.frequency,
            4 * horizon,
            s.seed & (u64::MAX >> 1),
        )
    }

    /// Gradient of the mean wave per row: central differences, one-sided at the ends.
    fn gradient(&self) -> Vec<f64> {
        let rows = self.settings().rows;
        let mean = |t: usize| self.waves.iter().map(|w| w[t]).sum::<f64>() / self.waves.len() as f64;
        let mean: Vec<f64> = (0..rows).map(mean).collect();
        let change = |t: usize| {
            let (a, b) = (t.saturating_sub(1), (t + 1).min(rows - 1));
            (mean[b] - mean[a]) / (b - a) as f64
        };
        (0..rows).map(change).collect()
    }

    /// Population variance over the first half of the waves (of one wave, over this wave).
    fn dispersion(&self) -> Vec<f64> {
        let half = &self.waves[..(self.waves.len() / 2).max(1)];
        let variance = |t: usize| {
            let mean = half.iter().map(|w| w[t]).sum::<f64>() / half.len() as f64;
            half.iter().map(|w| (w[t] - mean).powi(2)).sum::<f64>() / half.len() as f64
        };
        (0..self.settings().rows).map(variance).collect()
    }
}
