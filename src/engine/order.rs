//! Sorting and collecting into maps, compiled once.
//!
//! The compiler makes a copy of the standard library's sort, about 4 KB of machine code, for each call of `sort_by` and for each `collect`
//! into a `BTreeMap`. In the page's download they were 20 KB. The functions here share one copy. Large arrays of numbers are still sorted
//! by the standard library directly, which is faster.

use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Sorts. Equal items keep their order.
pub(crate) fn sort_by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    let swaps = swaps(items.len(), &|a, b| compare(&items[a], &items[b]));
    for (place, other) in swaps.into_iter().enumerate() {
        items.swap(place, other);
    }
}

/// Sorts by a key. Items with equal keys keep their order.
pub(crate) fn sort_by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    sort_by(items, |a, b| key(a).cmp(&key(b)));
}

/// A map of entries. Of several entries with one key the last one is kept.
pub(crate) fn map<K: Ord, V>(entries: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut all = BTreeMap::new();
    for (key, value) in entries {
        all.insert(key, value);
    }
    all
}

/// The place with which each place is to be swapped, one after the other, so that the items are in order. `compare` compares items by their
/// first places.
fn swaps(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|&a, &b| compare(a, b));
    let mut place_of: Vec<usize> = (0..count).collect();
    let mut item_at = place_of.clone();
    for (place, wanted) in order.iter_mut().enumerate() {
        let (from, other) = (place_of[*wanted], item_at[place]);
        (item_at[from], place_of[other]) = (other, from);
        *wanted = from;
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_order_is_that_of_the_standard_library(numbers in prop::collection::vec(0..20, 0..100)) {
            let mut items: Vec<(usize, i32)> = numbers.into_iter().enumerate().collect();
            let mut expected = items.clone();
            expected.sort_by_key(|item| item.1);
            sort_by_key(&mut items, |item| item.1);
            prop_assert_eq!(items, expected);
        }
    }

    #[test]
    fn the_last_of_equal_keys_is_kept() {
        assert_eq!(map([(2, 'a'), (1, 'b'), (2, 'c')]), BTreeMap::from([(1, 'b'), (2, 'c')]));
    }
}
