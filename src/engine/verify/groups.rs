//! Errors of tensors by group.

use super::{Golden, VerifyError, contains_zeros};
use crate::compare::{largest_error, magnitude};

/// Group of trained parameters, some of whose elements have no gradient in theory.
pub(super) const ZEROS: &str = "param-zeros";

/// Largest error of a group of tensors. The groups are `act`, `out`, `loss`, `grad`; for a trajectory `step`, `param` and, separately,
/// `param-zeros`.
#[derive(Clone, Debug, serde::Serialize)]
pub struct GroupError {
    /// Name of the group.
    pub group: String,
    /// Number of compared tensors.
    pub tensors: usize,
    /// Number of tensors that are not compared, because they depend on a tie.
    pub void: usize,
    /// Largest error, relative to the larger of the tensor's largest magnitude and 1e-4 times that of its group; `None` if all tensors are
    /// void.
    pub error: Option<f64>,
    /// Tensor with the largest error.
    pub worst: Option<String>,
}

struct Entry {
    name: String,
    error: f64,
    magnitude: f64,
    void: bool,
}

impl Entry {
    fn group(&self, golden: &Golden) -> &str {
        match self.name.strip_prefix("param.") {
            Some(name) if contains_zeros(&golden.shape, name) => ZEROS,
            _ => family(&self.name),
        }
    }

    /// `largest` is the largest magnitude of the family.
    fn relative(&self, largest: f64) -> f64 {
        if self.error == 0.0 { 0.0 } else { self.error / self.magnitude.max(1e-4 * largest) }
    }
}

fn family(name: &str) -> &str {
    name.split_once('.').map_or(name, |n| n.0)
}

/// The errors collected so far.
#[derive(Default)]
pub(super) struct Groups(Vec<Entry>);

impl Groups {
    pub(super) fn add(&mut self, golden: &Golden, name: &str, found: &[f64]) -> Result<(), VerifyError> {
        let expected = &golden.get(name)?.1;
        let (error, _) = largest_error(expected, found, 1.0).map_err(|mismatch| VerifyError::Mismatch { name: name.into(), mismatch })?;
        self.0.push(Entry { name: name.into(), error, magnitude: magnitude(expected), void: false });
        Ok(())
    }

    #[cfg(feature = "native")]
    /// Adds the first `valid` numbers of a tensor, which precede a tie. If `valid` is 0, the tensor is void.
    pub(super) fn add_start(&mut self, golden: &Golden, name: &str, found: &[f64], valid: usize) -> Result<(), VerifyError> {
        let expected = &golden.get(name)?.1;
        if expected.len() != found.len() {
            return Err(VerifyError::Shape { name: name.into(), expected: found.len(), found: expected.len() });
        }
        let (compared, void) = (if valid == 0 { found.len() } else { valid }, valid == 0);
        let (error, _) = largest_error(&expected[..compared], &found[..compared], 1.0)
            .map_err(|mismatch| VerifyError::Mismatch { name: name.into(), mismatch })?;
        self.0.push(Entry { name: name.into(), error, magnitude: magnitude(expected), void });
        Ok(())
    }

    /// Marks tensors as not compared.
    pub(super) fn void(&mut self, which: impl Fn(&str) -> bool) {
        for entry in &mut self.0 {
            entry.void |= which(&entry.name);
        }
    }

    /// Errors by group. Fails if the file contains a result of these families that was not compared.
    pub(super) fn finish(self, golden: &Golden, families: &[&str]) -> Result<Vec<GroupError>, VerifyError> {
        let mut all: Vec<GroupError> = vec![];
        for (name, (_, values)) in golden.tensors.iter().filter(|t| families.contains(&family(t.0))) {
            if !values.is_empty() && !self.0.iter().any(|t| &t.name == name) {
                return Err(VerifyError::Missing(format!("of the model for {name} in the file")));
            }
        }
        let groups = families.iter().copied().chain(families.contains(&"param").then_some(ZEROS));
        for group in groups {
            let mine: Vec<_> = self.0.iter().filter(|t| t.group(golden) == group).collect();
            let relatives = self.0.iter().filter(|t| group.starts_with(family(&t.name)));
            let largest = relatives.fold(0.0_f64, |m, t| m.max(t.magnitude));
            let compared: Vec<_> = mine.iter().filter(|t| !t.void).collect();
            let worst = compared.iter().max_by(|a, b| a.relative(largest).total_cmp(&b.relative(largest)));
            if !mine.is_empty() {
                all.push(GroupError {
                    group: group.into(),
                    tensors: compared.len(),
                    void: mine.len() - compared.len(),
                    error: worst.map(|w| w.relative(largest)),
                    worst: worst.map(|w| w.name.clone()),
                });
            }
        }
        Ok(all)
    }
}
