//! Sequences of whole numbers, stored as runs of equal steps.
//!
//! Timestamps are regular except at gaps, and line numbers except at blank lines. Only a change of the step takes memory.

use super::stamp::SECOND;

/// Microseconds in a second.
const WHOLE: u64 = SECOND.unsigned_abs();

/// A sequence of whole numbers.
#[derive(Debug, Default, Clone)]
pub(crate) struct Steps {
    first: i64,
    last: i64,
    len: usize,
    /// The current step and its number of repetitions. It is written to `runs` when the step changes.
    current: (u64, u64),
    /// Pairs (step, 2 * times + unit), each number with 7 bits per byte, the low bits first. The highest bit is set in all bytes of a
    /// number except the last. The step is in seconds if the unit is 1: timestamps are in microseconds, but few files have
    /// fractions of a second.
    runs: Vec<u8>,
}

/// A run of equal steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// Index of the number before the first step.
    pub(crate) from: usize,
    /// The number before the first step.
    pub(crate) start: i64,
    /// Difference between consecutive numbers.
    pub(crate) step: i64,
    /// Number of repetitions.
    pub(crate) times: usize,
}

impl Run {
    /// The numbers before and after each step.
    pub(crate) fn pairs(self) -> impl Iterator<Item = (i64, i64)> {
        let number = move |k: i64| self.start.wrapping_add(self.step.wrapping_mul(k));
        (0..).take(self.times).map(move |k| (number(k), number(k + 1)))
    }
}

impl Steps {
    /// Appends a number.
    pub(crate) fn push(&mut self, number: i64) {
        if self.len == 0 {
            self.first = number;
        } else {
            // A negative step is a large unsigned number. It takes 10 bytes and is restored exactly.
            let step = number.wrapping_sub(self.last).cast_unsigned();
            if self.current.0 != step && self.current.1 > 0 {
                self.write();
            }
            self.current = (step, self.current.1 + 1);
        }
        self.last = number;
        self.len += 1;
    }

    fn write(&mut self) {
        let (step, times) = self.current;
        let pair = if step % WHOLE == 0 { [step / WHOLE, 2 * times + 1] } else { [step, 2 * times] };
        for mut number in pair {
            while number >= 0x80 {
                self.runs.push(low_bits(number) | 0x80);
                number >>= 7;
            }
            self.runs.push(low_bits(number));
        }
        self.current = (0, 0);
    }

    /// Number of numbers.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The first number.
    pub(crate) fn first(&self) -> Option<i64> {
        (self.len > 0).then_some(self.first)
    }

    /// The last number.
    pub(crate) fn last(&self) -> Option<i64> {
        (self.len > 0).then_some(self.last)
    }

    /// Runs of equal steps, in order.
    pub(crate) fn runs(&self) -> impl Iterator<Item = Run> + '_ {
        let mut bytes = self.runs.iter();
        let mut number = move || {
            let (mut number, mut shift) = (0, 0);
            loop {
                let byte = *bytes.next()?;
                number |= u64::from(byte & 0x7f) << shift;
                shift += 7;
                if byte < 0x80 {
                    return Some(number);
                }
            }
        };
        let written = std::iter::from_fn(move || {
            let (step, times) = (number()?, number()?);
            Some((if times % 2 == 1 { step * WHOLE } else { step }, times / 2))
        });
        let current = (self.current.1 > 0).then_some(self.current);
        let (mut from, mut start) = (0, self.first);
        written.chain(current).map(move |(step, times)| {
            // The step was an i64, and the count was a number of elements.
            let run = Run { from, start, step: step.cast_signed(), times: usize::try_from(times).unwrap_or(usize::MAX) };
            from += run.times;
            start = start.wrapping_add(run.step.wrapping_mul(times.cast_signed()));
            run
        })
    }

    /// All numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = i64> + '_ {
        let rest = self.runs().flat_map(Run::pairs).map(|(_, number)| number);
        self.first().into_iter().chain(rest)
    }

    /// The numbers in reverse order.
    pub(crate) fn reversed(&self) -> Self {
        let runs: Vec<Run> = self.runs().collect();
        let back = runs.iter().rev().flat_map(|run| (0..).take(run.times).map(|k| run.start + run.step * (k_of(run.times) - 1 - k)));
        self.last().into_iter().chain(back).collect()
    }

    /// The number at this index. It iterates over all preceding runs.
    ///
    /// # Panics
    /// If the index is out of range.
    pub(crate) fn at(&self, index: usize) -> i64 {
        assert!(index < self.len, "number {index} of {}", self.len);
        let run = self.runs().find(|run| index <= run.from + run.times);
        run.map_or(self.first, |run| run.start.wrapping_add(run.step.wrapping_mul(i64::try_from(index - run.from).unwrap_or(i64::MAX))))
    }
}

fn k_of(times: usize) -> i64 {
    i64::try_from(times).unwrap_or(i64::MAX)
}

fn low_bits(number: u64) -> u8 {
    u8::try_from(number & 0x7f).expect("7 bits")
}

impl FromIterator<i64> for Steps {
    fn from_iter<I: IntoIterator<Item = i64>>(numbers: I) -> Self {
        let mut steps = Self::default();
        numbers.into_iter().for_each(|number| steps.push(number));
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pushed_comes_back() {
        let large = i64::MAX / 2;
        for numbers in [
            vec![],
            vec![-5],
            vec![-5, -5],
            vec![7, 8, 9, 10, 20, 21, 22],
            vec![-large, large, large + 1],
            vec![5, 3, 1, -1, 4],
            (0..1_000).map(|k| k * 60 + k / 128 * 7_777_777).collect(),
            (0..500).map(|k| k * k * k).collect(),
            vec![5, 5 + SECOND, 5 + 3 * SECOND, 6 + 3 * SECOND, 6, 6 - 7 * SECOND, 0, i64::MIN, i64::MAX, i64::MIN / SECOND * SECOND, 0],
        ] {
            let steps: Steps = numbers.iter().copied().collect();
            assert_eq!(steps.last(), numbers.last().copied());
            assert!(steps.reversed().iter().eq(numbers.iter().rev().copied()));
            assert_eq!(steps.iter().collect::<Vec<_>>(), numbers);
            assert!(numbers.iter().enumerate().all(|(k, &number)| steps.at(k) == number));
            for run in steps.runs() {
                assert_eq!((run.start, run.start.wrapping_add(run.step)), (numbers[run.from], numbers[run.from + 1]));
            }
        }
    }

    #[test]
    fn regular_numbers_take_no_bytes_and_a_hole_takes_some() {
        let day_shifts = (0..1_000).flat_map(|day| (0..9).map(move |hour| day * 86_400 + hour * 3_600));
        let steps: Steps = day_shifts.collect();
        assert!(steps.runs.len() <= 7 * 1_000, "{}", steps.runs.len());
        let minutes = (0..9_000).map(|k| (k + k / 9) * 60 * SECOND);
        let steps: Steps = minutes.collect();
        assert!(steps.runs.len() <= 4 * 1_000, "{}", steps.runs.len());
        let regular: Steps = (0..100_000).map(|k| k * 900).collect();
        assert_eq!((regular.runs.len(), regular.runs().count()), (0, 1));
    }
}
