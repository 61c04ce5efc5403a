//! Offsets in the arena: largest first, each at the lowest place that is free for its whole lifetime, page by page.

use super::PlanError;

/// Alignment of every tensor in the arena: WebGPU's for bindings.
pub const ALIGNMENT: u64 = 256;

/// What must be placed.
#[derive(Clone, Debug)]
pub struct Block {
    /// Name, for errors.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
    /// First phase in which it is alive.
    pub first: usize,
    /// Last phase in which it is alive.
    pub last: usize,
}

/// Where a block lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// Page of the arena.
    pub page: usize,
    /// First byte in the page.
    pub offset: u64,
}

/// Places all blocks; returns places in the order given, and the bytes of each page.
///
/// # Errors
/// Fails if a block is larger than a page may be.
pub fn place(blocks: &[Block], page_bytes: u64, reuse: bool) -> Result<(Vec<Placed>, Vec<u64>), PlanError> {
    let mut order: Vec<usize> = (0..blocks.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(blocks[i].bytes), blocks[i].first, i));
    let mut placed: Vec<Option<Placed>> = vec![None; blocks.len()];
    let mut pages: Vec<u64> = vec![];
    for i in order {
        let bytes = blocks[i].bytes.next_multiple_of(ALIGNMENT);
        if bytes > page_bytes {
            return Err(PlanError::TooLarge { tensor: blocks[i].name.clone(), bytes, limit: page_bytes });
        }
        let at = (0..=pages.len()).find_map(|page| lowest_gap(i, blocks, &placed, page, bytes, page_bytes, reuse).map(|o| (page, o)));
        // The page past the last is empty, and the block fits a page: there is always a place.
        let (page, offset) = at.unwrap_or((pages.len(), 0));
        if page == pages.len() {
            pages.push(0);
        }
        pages[page] = pages[page].max(offset + bytes);
        placed[i] = Some(Placed { page, offset });
    }
    Ok((placed.into_iter().map(Option::unwrap_or_default).collect(), pages))
}

fn lowest_gap(i: usize, blocks: &[Block], placed: &[Option<Placed>], page: usize, bytes: u64, page_bytes: u64, reuse: bool) -> Option<u64> {
    let meets = |j: usize| !reuse || (blocks[i].first <= blocks[j].last && blocks[j].first <= blocks[i].last);
    let mut taken: Vec<(u64, u64)> = placed
        .iter()
        .enumerate()
        .filter_map(|(j, p)| p.filter(|p| p.page == page && meets(j)).map(|p| (p.offset, blocks[j].bytes.next_multiple_of(ALIGNMENT))))
        .collect();
    taken.sort_unstable();
    let mut at = 0;
    for (offset, size) in taken {
        if at + bytes <= offset {
            break;
        }
        at = at.max(offset + size);
    }
    (at + bytes <= page_bytes).then_some(at)
}

/// The most bytes alive in any phase: no placement can need less.
#[must_use]
pub fn lower_bound(blocks: &[Block]) -> u64 {
    let end = blocks.iter().map(|b| b.last + 1).max().unwrap_or(0);
    let alive =
        |phase: usize| blocks.iter().filter(|b| b.first <= phase && phase <= b.last).map(|b| b.bytes.next_multiple_of(ALIGNMENT)).sum();
    (0..end).map(alive).max().unwrap_or(0)
}
