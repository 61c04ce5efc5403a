//! "Did you mean": the most similar known name.

use crate::order;
use strsim::levenshtein;

/// The candidate with the smallest edit distance to `name`, ignoring case, if the distance is small enough for a suggestion.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_ascii_lowercase();
    let limit = (wanted.chars().count() / 3).clamp(2, 4);
    candidates
        .map(|candidate| (levenshtein(&wanted, &candidate.to_ascii_lowercase()), candidate))
        .filter(|&(d, candidate)| d <= limit && d < candidate.chars().count())
        .min_by_key(|&(d, _)| d)
        .map(|(_, candidate)| candidate)
}

/// Up to `count` candidates in order of distance, without a limit on the distance.
pub(crate) fn nearest_few<'a>(name: &str, candidates: impl Iterator<Item = &'a str>, count: usize) -> Vec<&'a str> {
    let wanted = name.to_ascii_lowercase();
    let mut scored: Vec<_> = candidates.map(|c| (levenshtein(&wanted, &c.to_ascii_lowercase()), c)).collect();
    order::sort_by_key(&mut scored, |&(d, _)| d);
    scored.into_iter().take(count).map(|(_, c)| c).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_one_that_could_be_meant() {
        assert_eq!(nearest("histroy", ["horizon", "history"].into_iter()), Some("history"));
        assert_eq!(nearest("nonsense", ["horizon", "history"].into_iter()), None);
    }
}
