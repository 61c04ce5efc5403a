//! "Did you mean": the most similar known name.

/// The candidate with the smallest edit distance to `name`, ignoring case, if the distance is small enough for a suggestion.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    let limit = (wanted.chars().count() / 3).clamp(2, 4);
    candidates
        .map(|candidate| (distance(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|&(d, candidate)| d <= limit && d < candidate.chars().count())
        .min_by_key(|&(d, _)| d)
        .map(|(_, candidate)| candidate)
}

/// Up to `count` candidates in order of distance, without a limit on the distance.
pub(crate) fn nearest_few<'a>(name: &str, candidates: impl Iterator<Item = &'a str>, count: usize) -> Vec<&'a str> {
    let wanted = name.to_lowercase();
    let mut scored: Vec<_> = candidates.map(|c| (distance(&wanted, &c.to_lowercase()), c)).collect();
    scored.sort_by_key(|&(d, _)| d);
    scored.into_iter().take(count).map(|(_, c)| c).collect()
}

/// Levenshtein distance: number of insertions, deletions and substitutions.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_levenshtein() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(nearest("histroy", ["horizon", "history"].into_iter()), Some("history"));
        assert_eq!(nearest("nonsense", ["horizon", "history"].into_iter()), None);
    }
}
