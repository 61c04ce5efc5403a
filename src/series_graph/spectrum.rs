//! Eigenvectors of symmetric matrices in a unique form, so that any solver gives the same features.

use crate::order;
use nalgebra::{DMatrix, SymmetricEigen};

use super::SeriesGraphError;

/// Eigenvalues closer than this to their neighbour count as equal.
const EQUAL: f64 = 1e-7;
/// A projected unit vector whose remainder is shorter than this is skipped.
const SHORTEST: f64 = 1e-6;

/// Eigenvalues, ascending, and an orthonormal basis of eigenvectors from the solver.
pub(super) struct Spectrum {
    pub(super) values: Vec<f64>,
    /// Column k belongs to eigenvalue k.
    pub(super) vectors: DMatrix<f64>,
}

impl Spectrum {
    /// The spectrum of a symmetric matrix.
    pub(super) fn of(symmetric: DMatrix<f64>) -> Result<Self, SeriesGraphError> {
        let n = symmetric.nrows();
        if n == 0 {
            // The solver has no answer for it.
            return Ok(Self { values: vec![], vectors: DMatrix::zeros(0, 0) });
        }
        // About two iterations per eigenvalue are usual. The limit only prevents an endless loop.
        let solved = SymmetricEigen::try_new(symmetric, f64::EPSILON, 1000 * (n + 1)).ok_or(SeriesGraphError::Eigenvectors(n))?;
        let mut order: Vec<usize> = (0..n).collect();
        order::sort_by(&mut order, |&a, &b| solved.eigenvalues[a].total_cmp(&solved.eigenvalues[b]));
        Ok(Self {
            values: order.iter().map(|&k| solved.eigenvalues[k]).collect(),
            vectors: DMatrix::from_fn(n, n, |row, k| solved.eigenvectors[(row, order[k])]),
        })
    }

    /// Index of the first eigenvalue above 1e-7 (numerically positive), if there is one.
    pub(super) fn first_positive(&self) -> Option<usize> {
        self.values.iter().position(|&value| value > EQUAL)
    }

    /// Unique eigenvectors: columns `0..count`, or fewer if the matrix is smaller.
    ///
    /// Eigenvalues closer than 1e-7 to their neighbour form a group. The basis of a group is built from the unit vectors `e_0`, `e_1`, ..:
    /// each is projected onto the eigenspace and orthonormalised in this order (Gram-Schmidt, applied twice), and residuals below 1e-6 are
    /// skipped, until the basis is complete. Sign: the entry of largest magnitude (rounded to 9 decimals; the first one in a tie) is
    /// positive.
    pub(super) fn canonical(&self, count: usize) -> Vec<Vec<f64>> {
        let n = self.values.len();
        let count = count.min(n);
        let mut all: Vec<Vec<f64>> = vec![];
        while all.len() < count {
            let start = all.len();
            let end = (start + 1..n).find(|&k| self.values[k] - self.values[k - 1] >= EQUAL).unwrap_or(n);
            all.extend(self.basis(start, end, (count - start).min(end - start)));
            // If rounding leaves too few projections, the basis of the solver is used. This does not happen for orthonormal vectors.
            let missing = all.len()..end.min(count);
            all.extend(missing.map(|k| self.vectors.column(k).iter().copied().collect::<Vec<f64>>()));
        }
        all.iter_mut().for_each(|v| orient(v));
        all
    }

    /// The first `count` vectors of the basis of group `start..end`.
    fn basis(&self, start: usize, end: usize, count: usize) -> Vec<Vec<f64>> {
        let n = self.values.len();
        let space = self.vectors.columns(start, end - start);
        let mut basis: Vec<Vec<f64>> = vec![];
        for i in 0..n {
            if basis.len() == count {
                break;
            }
            let mut v: Vec<f64> = (space * space.row(i).transpose()).iter().copied().collect();
            for _ in 0..2 {
                for u in &basis {
                    let along = dot(u, &v);
                    v.iter_mut().zip(u).for_each(|(v, u)| *v -= along * u);
                }
            }
            let length = dot(&v, &v).sqrt();
            if length >= SHORTEST {
                v.iter_mut().for_each(|v| *v /= length);
                basis.push(v);
            }
        }
        basis
    }

    /// The all-ones vector projected onto the eigenspace of the largest eigenvalue (within 1e-7): magnitudes, scaled to sum 1.
    pub(super) fn principal(&self) -> Vec<f64> {
        let n = self.values.len();
        let Some(largest) = self.values.last() else { return vec![] };
        let start = self.values.iter().position(|value| *value > largest - EQUAL).unwrap_or(n - 1);
        let space = self.vectors.columns(start, n - start);
        let magnitudes: Vec<f64> = (space * space.row_sum().transpose()).iter().map(|v| v.abs()).collect();
        let sum = magnitudes.iter().sum::<f64>().max(1e-12);
        magnitudes.into_iter().map(|v| v / sum).collect()
    }
}

/// Rounds to 9 decimals, half to even, like numpy.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e9).round_ties_even() / 1e9
}

fn orient(v: &mut [f64]) {
    let mut pick = 0;
    for i in 1..v.len() {
        if rounded(v[i]).abs() > rounded(v[pick]).abs() {
            pick = i;
        }
    }
    if v.get(pick).is_some_and(|x| *x < 0.0) {
        v.iter_mut().for_each(|x| *x = -*x);
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
