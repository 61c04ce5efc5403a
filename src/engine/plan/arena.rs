//! Assigns arena offsets, page by page. The order of placement determines how many bytes the arena needs above the lower bound.

use super::PlanError;
use crate::order;
use crate::random::Stream;
use std::cmp::Reverse;

/// Alignment of every tensor in the arena, in bytes: WebGPU's alignment of storage bindings.
pub const ALIGNMENT: u64 = 256;

/// A block to place in the arena.
#[derive(Clone, Debug)]
pub struct Block {
    /// Name, for error messages.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// First phase in which the block is live.
    pub first: usize,
    /// Last phase in which the block is live.
    pub last: usize,
}

/// The place of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// Page index.
    pub page: usize,
    /// Byte offset in the page.
    pub offset: u64,
}

/// Relative excess over the lower bound at which the search stops: the strict value for the first tries, then the loose value.
const GOOD: [(usize, f64); 2] = [(300, 0.01), (usize::MAX, 0.03)];
/// Maximum number of placements tried from each initial order.
const TRIES: usize = 700;

/// Places all blocks. Returns the places in the order of `blocks`, and the size of each page in bytes.
///
/// Tries several initial orders. Then repeatedly moves the block with the highest end to an earlier position in the order. The result is
/// the placement with the smallest total size; the first one wins a tie.
///
/// # Errors
/// Fails if a block is larger than a page.
pub fn place(blocks: &[Block], page_bytes: u64, reuse: bool) -> Result<(Vec<Placed>, Vec<u64>), PlanError> {
    if let Some(block) = blocks.iter().find(|b| b.bytes.next_multiple_of(ALIGNMENT) > page_bytes) {
        return Err(PlanError::TooLarge { tensor: block.name.clone(), bytes: block.bytes, limit: page_bytes });
    }
    if !reuse {
        let order: Vec<usize> = (0..blocks.len()).collect();
        return Ok(in_order(blocks, &order, page_bytes, false));
    }
    #[expect(clippy::cast_possible_truncation, reason = "a share of bytes")]
    let within = |share: f64| (lower_bound(blocks) as f64 * (1.0 + share)) as u64;
    let good = within(GOOD[0].1);
    let total = |pages: &[u64]| pages.iter().sum::<u64>();
    let span = |i: usize| (blocks[i].last - blocks[i].first + 1) as u64;
    let mut orders: Vec<Vec<usize>> = vec![(0..blocks.len()).collect(); 3];
    order::sort_by_key(&mut orders[0], |&i| (Reverse(blocks[i].bytes), blocks[i].first, i));
    order::sort_by_key(&mut orders[1], |&i| (Reverse(blocks[i].bytes.saturating_mul(span(i))), blocks[i].first, i));
    order::sort_by_key(&mut orders[2], |&i| (Reverse(span(i)), Reverse(blocks[i].bytes), i));
    let mut best = (0, in_order(blocks, &orders[0], page_bytes, true));
    for (i, order) in orders.iter().enumerate().skip(1) {
        if total(&best.1.1) <= good {
            return Ok(best.1);
        }
        let next = in_order(blocks, order, page_bytes, true);
        if total(&next.1) < total(&best.1.1) {
            best = (i, next);
        }
    }
    orders.swap(0, best.0);
    // The fixed seed makes the placement of a plan reproducible.
    let (mut best, mut stream) = (best.1, Stream::new(1));
    let mut below = |n: usize| usize::try_from((stream.next_u64() >> 33) % (n.max(1) as u64)).unwrap_or(0);
    for mut order in orders {
        let mut now = in_order(blocks, &order, page_bytes, true);
        for attempt in 0..TRIES {
            let share = GOOD.iter().find(|g| attempt < g.0).map_or(0.0, |g| g.1);
            if total(&best.1) <= within(share) {
                return Ok(best);
            }
            let end = |i: usize| (now.0[i].page, now.0[i].offset + blocks[i].bytes);
            let Some(at) = (0..order.len()).max_by_key(|&k| (end(order[k]), Reverse(k))) else { break };
            // Move the block with the highest end to an earlier position; on every second attempt, move another block as well.
            let mut tried = order.clone();
            let to = if attempt == 0 { 0 } else { below(at + 1) };
            tried[to..=at].rotate_right(1);
            if attempt % 2 == 1 {
                let (a, b) = (below(tried.len()), below(tried.len()));
                tried[a.min(b)..=a.max(b)].rotate_right(1);
            }
            let next = in_order(blocks, &tried, page_bytes, true);
            if total(&next.1) < total(&best.1) {
                best = next.clone();
            }
            if total(&next.1) <= total(&now.1) {
                (order, now) = (tried, next);
            }
        }
    }
    Ok(best)
}

/// Places the blocks in the given order, each at the lowest offset that is free for its whole lifetime.
fn in_order(blocks: &[Block], order: &[usize], page_bytes: u64, reuse: bool) -> (Vec<Placed>, Vec<u64>) {
    let mut places = vec![Placed::default(); blocks.len()];
    // For each page: its blocks sorted by offset, and its size in bytes.
    let mut pages: Vec<(Vec<usize>, u64)> = vec![];
    for &i in order {
        let bytes = blocks[i].bytes.next_multiple_of(ALIGNMENT);
        let gap = |page: &[usize]| lowest_gap(&blocks[i], blocks, &places, page, reuse);
        let at = pages.iter().enumerate().map(|(page, held)| (page, gap(&held.0))).find(|(_, offset)| offset + bytes <= page_bytes);
        // Every block fits into an empty page, so a new page always has room.
        let (page, offset) = at.unwrap_or((pages.len(), 0));
        if page == pages.len() {
            pages.push((vec![], 0));
        }
        let (held, size) = &mut pages[page];
        *size = (*size).max(offset + bytes);
        held.insert(held.partition_point(|&j| places[j].offset <= offset), i);
        places[i] = Placed { page, offset };
    }
    (places, pages.into_iter().map(|p| p.1).collect())
}

/// The lowest offset in a page at which a block overlaps no block that is live at the same time. `page` is sorted by offset.
fn lowest_gap(block: &Block, blocks: &[Block], places: &[Placed], page: &[usize], reuse: bool) -> u64 {
    let bytes = block.bytes.next_multiple_of(ALIGNMENT);
    let mut at = 0;
    for &j in page {
        let other = &blocks[j];
        if reuse && (block.first > other.last || other.first > block.last) {
            continue;
        }
        if at + bytes <= places[j].offset {
            break;
        }
        at = at.max(places[j].offset + other.bytes.next_multiple_of(ALIGNMENT));
    }
    at
}

/// The maximum of the live bytes over all phases: no placement needs fewer bytes.
#[must_use]
pub fn lower_bound(blocks: &[Block]) -> u64 {
    let end = blocks.iter().map(|b| b.last + 1).max().unwrap_or(0);
    let alive =
        |phase: usize| blocks.iter().filter(|b| b.first <= phase && phase <= b.last).map(|b| b.bytes.next_multiple_of(ALIGNMENT)).sum();
    (0..end).map(alive).max().unwrap_or(0)
}
