//! Gradient statistics by parameter group. A group whose gradient is zero or not finite is visible here long before it affects the loss.

use crate::model::ParameterPlace;
use crate::ops::grad_health::NUMBERS;
use crate::order;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The gradient of a parameter group in one step, before clipping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupHealth {
    /// L2 norm of the finite elements.
    pub norm: f64,
    /// Fraction of the elements that are exactly zero, from 0 to 1.
    pub zeros: f64,
    /// Number of elements that are infinite or NaN.
    pub non_finite: u64,
}

/// Statistics by group: `embedding`, `graph`, `layers.0`, .., `decoder`.
pub type GradientHealth = BTreeMap<String, GroupHealth>;

/// A problem of a gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ailment {
    /// Every element is zero: these parameters do not learn.
    AllZero,
    /// Some elements are infinite or NaN.
    NotFinite,
}

impl GroupHealth {
    /// The problem of this gradient, if any.
    #[must_use]
    pub fn ailment(&self) -> Option<Ailment> {
        match self {
            h if h.non_finite > 0 => Some(Ailment::NotFinite),
            h if h.zeros >= 1.0 => Some(Ailment::AllZero),
            _ => None,
        }
    }
}

/// The group of a parameter: the first part of its name, followed by the second part if that is a number.
#[must_use]
pub fn group_of(name: &str) -> &str {
    let mut dots = name.match_indices('.').map(|(at, _)| at).chain([name.len()]);
    let first = dots.next().unwrap_or(name.len());
    let second = dots.next().unwrap_or(first);
    let numbered = second > first + 1 && name[first + 1..second].bytes().all(|b| b.is_ascii_digit());
    &name[..if numbered { second } else { first }]
}

/// Sums the results of `grad_health` by group. `rows` holds one row per trainable parameter tensor, in the order of `places`.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "counts, held as floats")]
pub(crate) fn by_group(places: &[ParameterPlace], rows: &[f64]) -> GradientHealth {
    // Sum of squares, zeros, non-finite elements, elements.
    let mut sums: BTreeMap<&str, [f64; 4]> = BTreeMap::new();
    for (place, row) in places.iter().filter(|p| p.trained).zip(rows.chunks(NUMBERS)) {
        let elements = place.shape.iter().product::<usize>() as f64;
        let sum = sums.entry(group_of(&place.name)).or_default();
        for (to, value) in sum.iter_mut().zip([row[0], row[1], row[2], elements]) {
            *to += value;
        }
    }
    let health = |[squares, zeros, wrong, elements]: [f64; 4]| GroupHealth {
        norm: squares.sqrt(),
        zeros: zeros / elements.max(1.0),
        non_finite: wrong as u64,
    };
    order::map(sums.into_iter().map(|(group, sum)| (group.to_owned(), health(sum))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_blocks() {
        let names = ["embedding.node", "embedding.graph.out.weight", "layers.0.ff1.bias", "layers.12.norm.weight", "scales.1", "loose"];
        assert_eq!(names.map(group_of), ["embedding", "embedding", "layers.0", "layers.12", "scales.1", "loose"]);
        assert_eq!(["", ".", "a.", "a..b"].map(group_of), ["", "", "a", "a"]);
    }

    #[test]
    fn rows_add_up() {
        let place = |name: &str, shape: &[usize], trained| ParameterPlace { name: name.into(), shape: shape.to_vec(), start: 0, trained };
        let places = [place("a.x", &[2, 3], true), place("b", &[], true), place("a.y", &[4], true), place("a.memory", &[9], false)];
        let rows = [9.0, 2.0, 0.0, 0.0, 4.0, 0.0, 1.0, 0.0, 16.0, 3.0, 0.0, 0.0];
        let health = by_group(&places, &rows);
        assert_eq!(health.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(health["a"], GroupHealth { norm: 5.0, zeros: 0.5, non_finite: 0 });
        assert_eq!(health["b"], GroupHealth { norm: 2.0, zeros: 0.0, non_finite: 1 });
        assert_eq!((health["a"].ailment(), health["b"].ailment()), (None, Some(Ailment::NotFinite)));
        assert_eq!(GroupHealth { zeros: 1.0, ..GroupHealth::default() }.ailment(), Some(Ailment::AllZero));
    }
}
