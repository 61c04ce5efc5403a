//! Splits a dispatch into ranges of windows if a tensor is larger than a binding or if the work takes longer than a watchdog allows, and
//! into ranges of at most 65,535 workgroups. A split never changes the order of additions: windows are independent, and a sum over windows
//! continues from one range to the next.

use crate::ops::Grid;

/// Maximum number of workgroups along one dimension.
pub const MOST_GROUPS: usize = 65_535;

/// Splits `windows` into ranges of at most `most` windows. Each range is (first window, number of windows).
#[must_use]
pub fn window_ranges(windows: usize, most: usize) -> Vec<(usize, usize)> {
    let most = most.clamp(1, windows.max(1));
    let ranges = windows.max(1).div_ceil(most);
    let each = windows.max(1).div_ceil(ranges);
    (0..ranges).map(|i| (i * each, each.min(windows.max(1) - i * each))).collect()
}

/// Maximum number of windows for which every tensor fits into a binding. `bytes` holds the bytes per window of each bound tensor.
#[must_use]
pub fn windows_in_binding(bytes: impl Iterator<Item = u64>, binding_bytes: u64) -> usize {
    // A range may start up to 255 bytes before its first element.
    let fit = bytes.filter(|b| *b > 0).map(|b| (binding_bytes - super::arena::ALIGNMENT) / b).min().unwrap_or(u64::MAX);
    usize::try_from(fit).unwrap_or(usize::MAX)
}

/// First workgroup and maximum number of workgroups along x, for each dispatch of one kernel over `windows`.
#[must_use]
pub fn group_ranges(grid: Grid, windows: usize) -> Vec<(usize, usize)> {
    let total = match grid {
        Grid::Windows { per_window, per_group, .. } => (windows * per_window).div_ceil(per_group),
        Grid::Blocks { per_window, group, .. } => {
            let blocks = windows * per_window;
            return (0..blocks.div_ceil(group).max(1)).map(|i| (i * group, group)).collect();
        }
        Grid::Fixed { groups, .. } => groups,
    };
    (0..total.div_ceil(MOST_GROUPS).max(1)).map(|i| (i * MOST_GROUPS, MOST_GROUPS.min(total - i * MOST_GROUPS))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_every_window_once() {
        for windows in 1..40 {
            for most in 1..45 {
                let ranges = window_ranges(windows, most);
                assert!(ranges.iter().all(|r| r.1 >= 1 && r.1 <= most));
                let mut next = 0;
                for (first, count) in ranges {
                    assert_eq!(first, next);
                    next = first + count;
                }
                assert_eq!(next, windows);
            }
        }
    }

    #[test]
    fn groups_stay_below_the_limit() {
        let ranges = group_ranges(Grid::Windows { per_window: 300_000, per_group: 1, across: 1 }, 1);
        assert_eq!(ranges.iter().map(|r| r.1).sum::<usize>(), 300_000);
        assert!(ranges.iter().all(|r| r.1 <= MOST_GROUPS));
        assert_eq!(ranges[1].0, MOST_GROUPS);
    }
}
