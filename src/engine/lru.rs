//! A cache that drops what was used longest ago, bounded in bytes.
//!
//! Crates with such caches bound the number of entries; ours differ in size by orders of magnitude. They hold some hundred entries at
//! most, so that they are searched one by one, and keys need no hash.

/// Entries from the one used longest ago to the one used last, their bytes together within a bound.
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

/// What a cache did and holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheStatistics {
    /// Entries that were asked for and there.
    pub hits: u64,
    /// Entries that were asked for and had to be made.
    pub misses: u64,
    /// Entries held.
    pub entries: usize,
    /// Their bytes.
    pub bytes: usize,
}

impl<K: PartialEq, V: Clone> Lru<K, V> {
    /// A cache that holds at most so many bytes.
    #[must_use]
    pub const fn new(bound: usize) -> Self {
        Self { bound, bytes: 0, entries: vec![], hits: 0, misses: 0 }
    }

    /// The most bytes that it holds.
    #[must_use]
    pub const fn bound(&self) -> usize {
        self.bound
    }

    /// The entry whose key is the one that is meant, which counts as used now; a hit or a miss.
    pub fn get(&mut self, meant: impl Fn(&K) -> bool) -> Option<V> {
        let Some(at) = self.entries.iter().position(|e| meant(&e.key)) else {
            self.misses += 1;
            return None;
        };
        self.hits += 1;
        self.entries[at..].rotate_left(1);
        self.entries.last().map(|e| e.value.clone())
    }

    /// Keeps an entry of that many bytes, in the place of an earlier one of its key, and drops those used longest ago until all are within
    /// the bound. What is larger than the bound is not kept.
    pub fn keep(&mut self, key: K, value: V, bytes: usize) {
        if let Some(at) = self.entries.iter().position(|e| e.key == key) {
            self.bytes -= self.entries.remove(at).bytes;
        }
        if bytes > self.bound {
            return;
        }
        // Room first: at no time is more held than the bound.
        let mut dropped = 0;
        while self.bytes > self.bound - bytes {
            self.bytes -= self.entries[dropped].bytes;
            dropped += 1;
        }
        self.entries.drain(..dropped);
        self.bytes += bytes;
        self.entries.push(Entry { key, value, bytes });
    }

    /// Forgets all entries, and what was counted.
    pub fn clear(&mut self) {
        *self = Self::new(self.bound);
    }

    /// What was counted since the start or the last [`Lru::clear`].
    #[must_use]
    pub fn statistics(&self) -> CacheStatistics {
        CacheStatistics { hits: self.hits, misses: self.misses, entries: self.entries.len(), bytes: self.bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys from the one used longest ago.
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
        assert_eq!((cache.statistics().hits, cache.statistics().misses), (0, 0), "keeping is no use");
        assert_eq!([cache.get(|k| *k == "a"), cache.get(|k| *k == "x"), cache.get(|k| *k == "b")], [Some(0), None, Some(1)]);
        cache.keep("c", 2, 1);
        assert_eq!(cache.get(|k| *k == "a"), None, "dropped");
        assert_eq!(cache.statistics(), CacheStatistics { hits: 2, misses: 2, entries: 2, bytes: 91 });
    }

    #[test]
    fn what_is_larger_than_the_bound_is_not_kept_and_drops_nothing() {
        let mut cache = of(&[("a", 60), ("b", 101)]);
        assert_eq!(keys(&cache), ["a"]);
        cache.keep("a", 7, 200);
        assert_eq!((cache.statistics().bytes, keys(&cache).len()), (0, 0), "an older value of the key is not left to be found");
        let mut none = Lru::new(0);
        none.keep("a", 1, 1);
        none.keep("b", 1, 0);
        assert_eq!((none.bound(), none.statistics().entries), (0, 1), "nothing weighs nothing");
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
