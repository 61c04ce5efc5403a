//! Checks the WebGPU rules for every dispatch of every recording before any buffer is created. These checks are stricter than native wgpu,
//! which accepts overlapping writable ranges; browsers reject them.

use super::arena::ALIGNMENT;
use super::chunk::MOST_GROUPS;
use super::{BoundRange, DeviceLimits, Recording, RuleBroken};

/// Checks every dispatch of a recording.
///
/// # Errors
/// Reports the first dispatch that breaks a rule.
pub fn check(recording: &Recording, limits: DeviceLimits) -> Result<(), RuleBroken> {
    let size = |r: &BoundRange| recording.buffers.iter().find(|b| b.role == r.role).map_or(0, |b| b.bytes);
    for (i, dispatch) in recording.dispatches.iter().enumerate() {
        let kernel = &recording.kernels[dispatch.kernel];
        let broken = |rule| Err(RuleBroken { dispatch: i, entry: kernel.entry, rule });
        if let Some(rule) = broken_by_ranges(&dispatch.ranges, limits) {
            return broken(rule);
        }
        for r in &dispatch.ranges {
            if r.offset + r.bytes > size(r).next_multiple_of(ALIGNMENT) {
                return broken(format!("{r:?} ends past its buffer of {} bytes", size(r)));
            }
        }
        if dispatch.ranges.iter().map(|r| (r.binding, r.writable)).collect::<Vec<_>>() != kernel.bindings {
            return broken("the bound ranges do not match the bindings of the kernel".into());
        }
        if let Some(groups) = dispatch.groups(dispatch.window0 + dispatch.windows)
            && groups.iter().any(|g| *g as usize > MOST_GROUPS)
        {
            return broken(format!("{groups:?} workgroups exceed the limit of {MOST_GROUPS} per dimension"));
        }
        if let Some(message) = in_reading(dispatch) {
            return broken(message);
        }
    }
    Ok(())
}

/// The first rule that the ranges of one dispatch break, independent of the buffer sizes.
#[must_use]
pub fn broken_by_ranges(ranges: &[BoundRange], limits: DeviceLimits) -> Option<String> {
    if ranges.len() > limits.storage_buffers {
        return Some(format!("{} storage buffers are bound, the limit is {}", ranges.len(), limits.storage_buffers));
    }
    for (i, a) in ranges.iter().enumerate() {
        if a.offset % ALIGNMENT != 0 || a.bytes == 0 || a.bytes % 4 != 0 {
            return Some(format!("{a:?} is empty or not aligned"));
        }
        if a.bytes > limits.binding_bytes {
            return Some(format!("{a:?} is larger than the binding limit of {} bytes", limits.binding_bytes));
        }
        for b in &ranges[i + 1..] {
            if a.role == b.role && a.writable != b.writable {
                return Some(format!("one buffer is bound as read and read_write: {a:?}, {b:?}"));
            }
            let overlap = a.role == b.role && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
            if overlap && (a.writable || b.writable) {
                return Some(format!("writable ranges overlap: {a:?}, {b:?}"));
            }
        }
    }
    None
}

/// Checks that every range that a kernel writes is writable in the plan. The WGSL compiler already rejects writes to read-only bindings.
fn in_reading(dispatch: &super::Dispatch) -> Option<String> {
    let wrong = dispatch.ranges.iter().find(|r| r.writes && !r.writable)?;
    Some(format!("{wrong:?} is written but is not writable"))
}

#[cfg(test)]
mod tests {
    use super::super::BufferRole;
    use super::*;

    fn range(binding: u32, page: usize, offset: u64, bytes: u64, writable: bool) -> BoundRange {
        BoundRange { binding, role: BufferRole::Arena(page), offset, bytes, writable, writes: false }
    }

    #[test]
    fn each_rule_can_be_broken() {
        let limits = DeviceLimits::default();
        let broken = |ranges: &[BoundRange]| broken_by_ranges(ranges, limits).unwrap_or_default();
        assert_eq!(broken(&[range(2, 0, 0, 256, true), range(3, 0, 256, 256, true)]), "");
        assert!(broken(&[range(2, 0, 0, 260, true), range(3, 0, 256, 256, true)]).contains("overlap"));
        assert!(broken(&[range(2, 0, 0, 256, true), range(3, 0, 512, 256, false)]).contains("read and read_write"));
        assert!(broken(&[range(2, 0, 16, 256, true)]).contains("aligned"));
        assert!(broken(&[range(2, 0, 0, (128 << 20) + 4, true)]).contains("larger"));
        let nine: Vec<_> = (0..9).map(|i| range(i, i as usize, 0, 256, true)).collect();
        assert!(broken(&nine).contains("9 storage buffers"));
    }
}
