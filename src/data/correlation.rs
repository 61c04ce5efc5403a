//! Correlations between series in the training rows.

use nalgebra::DMatrix;

use super::dataset::Dataset;
use super::error::DataError;
use super::scaler::Scaler;
use super::windows::Part;

/// Rows in memory at once as f64.
const BLOCK: usize = 512;
/// Minimum number of common rows for a correlation.
const FEWEST: f64 = 3.0;

impl Dataset {
    /// Pearson correlations `[Nx, Nx]`, row-major, of the series (channel 0) in the training rows. Each correlation uses the rows in which
    /// both series are observed. It is 0 if one of the two is constant in these rows, or if fewer than three rows are common.
    ///
    /// # Errors
    /// If the split needs more rows than the file has, or a series is never observed in the training rows.
    pub fn training_correlations(&self) -> Result<Vec<f64>, DataError> {
        let rows = self.part_rows(Part::Train)?;
        let moments = self.training_moments()?;
        let n = moments.len();
        let zeros = || DMatrix::<f64>::zeros(n, n);
        // For each pair (i, j) over the common rows: count, sum of x_i, sum of x_i^2, sum of x_i x_j.
        let (mut count, mut sum, mut square, mut product) = (zeros(), zeros(), zeros(), zeros());
        for start in rows.clone().step_by(BLOCK) {
            let end = (start + BLOCK).min(rows.end);
            let mut x = DMatrix::<f64>::zeros(end - start, n);
            let mut seen = x.clone();
            for (i, &(column, mean, std)) in moments.iter().enumerate() {
                for (row, raw) in self.table.values(column, start..end).enumerate() {
                    if !raw.is_nan() {
                        x[(row, i)] = (f64::from(raw) - mean) / std;
                        seen[(row, i)] = 1.0;
                    }
                }
            }
            let transposed = x.transpose();
            product.gemm(1.0, &transposed, &x, 1.0);
            sum.gemm(1.0, &transposed, &seen, 1.0);
            square.gemm(1.0, &x.component_mul(&x).transpose(), &seen, 1.0);
            count.gemm(1.0, &seen.transpose(), &seen, 1.0);
        }
        let mut all = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..i {
                let common = count[(i, j)];
                let spread = |a: usize, b: usize| square[(a, b)] - sum[(a, b)] * sum[(a, b)] / common;
                let (across, both) = (product[(i, j)] - sum[(i, j)] * sum[(j, i)] / common, spread(i, j) * spread(j, i));
                // For a constant series, rounding can leave a small nonzero spread.
                let varied = common >= FEWEST && spread(i, j) > 1e-12 * common && spread(j, i) > 1e-12 * common;
                let r = if varied { (across / both.sqrt()).clamp(-1.0, 1.0) } else { 0.0 };
                (all[i * n + j], all[j * n + i]) = (r, r);
            }
            all[i * n + i] = 1.0;
        }
        Ok(all)
    }

    /// Column, mean and standard deviation of each series, all of the stored numbers: an offset changes no correlation.
    fn training_moments(&self) -> Result<Vec<(usize, f64, f64)>, DataError> {
        let (scaler, _) = Scaler::fit(self)?;
        let series = self.layout.slots.iter().enumerate().step_by(self.shape.num_channels);
        let moments = series.map(|(index, slot)| {
            let (mean, std) = scaler.input_scale(index);
            (slot.expect("every series has its channel 0").column, mean, std)
        });
        Ok(moments.collect())
    }
}
