//! A least-recently-used cache with a size limit in bytes.
//!
//! Existing crates limit the number of entries, but the entries of pgat differ in size by orders of magnitude. A cache holds at most a few
//! hundred entries, so a linear search suffices and keys need no hash.

/// Entries in order of their last use, the oldest first. Their total size stays within the limit.
#[derive(Debug)]
pub struct Lru<K, V> {
    bound: usize,
    bytes: usize,
    entries: Vec<Entry<K, V>>,
    hits: u64,
    misses: u64,
}

#[derive(Debug)]
struct Entry<K, V> {
    key: K,
    value: V,
    bytes: usize,
}

/// Statistics of a cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheStatistics {
    /// Lookups that found an entry.
    pub hits: u64,
    /// Lookups that found no entry.
    pub misses: u64,
    /// Number of entries.
    pub entries: usize,
    /// Total size of the entries in bytes.
    pub bytes: usize,
}

impl<K: PartialEq, V: Clone> Lru<K, V> {
    /// A cache with a size limit in bytes.
    #[must_use]
    pub const fn new(bound: usize) -> Self {
        Self { bound, bytes: 0, entries: vec![], hits: 0, misses: 0 }
    }

    /// The size limit in bytes.
    #[must_use]
    pub const fn bound(&self) -> usize {
        self.bound
    }

    /// Returns the first entry whose key satisfies `meant`, and marks it as used. Counts a hit or a miss.
    pub fn get(&mut self, meant: impl Fn(&K) -> bool) -> Option<V> {
        let Some(at) = self.entries.iter().position(|e| meant(&e.key)) else {
            self.misses += 1;
            return None;
        };
        self.hits += 1;
        self.entries[at..].rotate_left(1);
        self.entries.last().map(|e| e.value.clone())
    }

    /// Stores an entry of the given size and replaces an earlier entry with the same key. Evicts the least recently used entries until all
    /// fit into the limit. An entry larger than the limit is not stored.
    pub fn keep(&mut self, key: K, value: V, bytes: usize) {
        if let Some(at) = self.entries.iter().position(|e| e.key == key) {
            self.bytes -= self.entries.remove(at).bytes;
        }
        if bytes > self.bound {
            return;
        }
        // Evict first, so that the limit is never exceeded.
        let mut dropped = 0;
        while self.bytes > self.bound - bytes {
            self.bytes -= self.entries[dropped].bytes;
            dropped += 1;
        }
        self.entries.drain(..dropped);
        self.bytes += bytes;
        self.entries.push(Entry { key, value, bytes });
    }

    /// Removes all entries and resets the statistics.
    pub fn clear(&mut self) {
        *self = Self::new(self.bound);
    }

    /// Statistics since the start or the last [`Lru::clear`].
    #[must_use]
    pub fn statistics(&self) -> CacheStatistics {
        CacheStatistics { hits: self.hits, misses: self.misses, entries: self.entries.len(), bytes: self.bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys, the least recently used first.
    fn keys(cache: &Lru<&'static str, u32>) -> Vec<&'static str> {
        cache.entries.iter().map(|e| e.key).collect()
    }

    fn of(entries: &[(&'static str, usize)]) -> Lru<&'static str, u32> {
        let mut cache = Lru::new(100);
        (0..).zip(entries).for_each(|(value, &(key, bytes))| cache.keep(key, value, bytes));
        cache
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let mut cache = of(&[("a", 30), ("b", 30), ("c", 40)]);
        assert_eq!((cache.statistics().bytes, keys(&cache)), (100, vec!["a", "b", "c"]));
        assert_eq!(cache.get(|k| *k == "a"), Some(0));
        assert_eq!(keys(&cache), ["b", "c", "a"]);
        cache.keep("d", 3, 1);
        assert_eq!(keys(&cache), ["c", "a", "d"]);
        cache.keep("e", 4, 90);
        assert_eq!((cache.statistics().bytes, keys(&cache)), (91, vec!["d", "e"]));
        cache.keep("f", 5, 100);
        assert_eq!((cache.statistics().bytes, keys(&cache)), (100, vec!["f"]));
    }

    #[test]
    fn hits_and_misses_are_counted() {
        let mut cache = of(&[("a", 10), ("b", 90)]);
        assert_eq!((cache.statistics().hits, cache.statistics().misses), (0, 0), "keep does not count as a use");
        assert_eq!([cache.get(|k| *k == "a"), cache.get(|k| *k == "x"), cache.get(|k| *k == "b")], [Some(0), None, Some(1)]);
        cache.keep("c", 2, 1);
        assert_eq!(cache.get(|k| *k == "a"), None, "evicted");
        assert_eq!(cache.statistics(), CacheStatistics { hits: 2, misses: 2, entries: 2, bytes: 91 });
    }

    #[test]
    fn what_is_larger_than_the_bound_is_not_kept_and_drops_nothing() {
        let mut cache = of(&[("a", 60), ("b", 101)]);
        assert_eq!(keys(&cache), ["a"]);
        cache.keep("a", 7, 200);
        assert_eq!((cache.statistics().bytes, keys(&cache).len()), (0, 0), "the older value of the key is removed");
        let mut none = Lru::new(0);
        none.keep("a", 1, 1);
        none.keep("b", 1, 0);
        assert_eq!((none.bound(), none.statistics().entries), (0, 1), "an entry of size 0 fits into a limit of 0");
    }

    #[test]
    fn a_key_is_held_once() {
        let mut cache = of(&[("a", 30), ("b", 30), ("a", 50)]);
        assert_eq!((cache.statistics().bytes, keys(&cache)), (80, vec!["b", "a"]));
        assert_eq!(cache.get(|k| *k == "a"), Some(2));
    }

    #[test]
    fn clear_forgets_entries_and_counts_but_not_the_bound() {
        let mut cache = of(&[("a", 30), ("b", 30)]);
        cache.get(|k| *k == "a");
        cache.get(|k| *k == "c");
        cache.clear();
        assert_eq!((cache.statistics(), cache.bound()), (CacheStatistics::default(), 100));
        cache.keep("a", 1, 100);
        assert_eq!(cache.statistics().bytes, 100);
    }
}
