//! Correlations between series over the training rows.

use nalgebra::DMatrix;

use super::dataset::Dataset;
use super::error::DataError;
use super::scaler::Scaler;
use super::windows::Part;

/// Rows that are in memory at once as f64.
const BLOCK: usize = 512;
/// A correlation over fewer common rows says nothing.
const FEWEST: f64 = 3.0;

impl Dataset {
    /// Pearson correlations `[Nx, Nx]`, row-major, of the series (channel 0) in the training rows, each over the rows in which both are
    /// observed. 0 where one of the two is constant there, and where fewer than three rows are common.
    ///
    /// # Errors
    /// If the split asks for more rows than there are, or a series is never observed in the training rows.
    pub fn training_correlations(&self) -> Result<Vec<f64>, DataError> {
        let rows = self.part_rows(Part::Train)?;
        let moments = self.training_moments()?;
        let n = moments.len();
        let zeros = || DMatrix::<f64>::zeros(n, n);
        // Of the pair (i, j) over common rows: their number, sum of x_i, sum of x_i^2, sum of x_i x_j.
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
                // What rounding leaves of the spread of a constant is no spread.
                let varied = common >= FEWEST && spread(i, j) > 1e-12 * common && spread(j, i) > 1e-12 * common;
                let r = if varied { (across / both.sqrt()).clamp(-1.0, 1.0) } else { 0.0 };
                (all[i * n + j], all[j * n + i]) = (r, r);
            }
            all[i * n + i] = 1.0;
        }
        Ok(all)
    }

    /// Column, mean and deviation of each series.
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
