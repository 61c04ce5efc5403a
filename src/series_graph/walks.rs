//! Shortest paths in an unweighted graph: distances, and betweenness.

use std::collections::VecDeque;

/// The shortest paths from one node.
struct Paths {
    /// Nodes in order of distance.
    order: Vec<usize>,
    /// Distance; `None` if there is no path.
    distance: Vec<Option<usize>>,
    /// Number of shortest paths.
    count: Vec<f64>,
}

fn paths(neighbours: &[Vec<usize>], from: usize) -> Paths {
    let n = neighbours.len();
    let mut p = Paths { order: vec![], distance: vec![None; n], count: vec![0.0; n] };
    let mut queue = VecDeque::from([(from, 0)]);
    p.distance[from] = Some(0);
    p.count[from] = 1.0;
    while let Some((i, here)) = queue.pop_front() {
        p.order.push(i);
        for &j in &neighbours[i] {
            if p.distance[j].is_none() {
                p.distance[j] = Some(here + 1);
                queue.push_back((j, here + 1));
            }
            if p.distance[j] == Some(here + 1) {
                p.count[j] += p.count[i];
            }
        }
    }
    p
}

/// Sums of distances `[Nx]`, where the distance to an unreachable node counts as Nx, and betweenness `[Nx]`: the fraction of the shortest
/// paths between two other nodes that pass through a node, averaged over pairs (U. Brandes, "A faster algorithm for betweenness
/// centrality", 2001).
pub(super) fn distances_and_betweenness(neighbours: &[Vec<usize>]) -> (Vec<usize>, Vec<f64>) {
    let n = neighbours.len();
    let (mut sums, mut through) = (vec![0; n], vec![0.0; n]);
    for (from, sum) in sums.iter_mut().enumerate() {
        let p = paths(neighbours, from);
        *sum = p.distance.iter().map(|d| d.unwrap_or(n)).sum();
        let mut share = vec![0.0; n];
        for &j in p.order.iter().rev() {
            for &i in &neighbours[j] {
                if p.distance[i].map(|d| d + 1) == p.distance[j] {
                    share[i] += p.count[i] / p.count[j] * (1.0 + share[j]);
                }
            }
            if j != from {
                through[j] += share[j];
            }
        }
    }
    if n > 2 {
        // Every pair was counted from both ends.
        let pairs = ((n - 1) * (n - 2)) as f64;
        through.iter_mut().for_each(|t| *t /= pairs);
    }
    (sums, through)
}
