//! `pgat tune`: measures a few kernel shapes on the adapter and makes a class of the fastest ones. A run uses this class only on request,
//! and then keeps it: other kernel shapes add in another order, so the choice belongs to the run.

use super::bench::{self, BenchError, BenchReport};
use crate::gpu::Gpu;
use crate::ops::generator::{Broadcast, Tile, Variants};
use crate::plan::AdapterClass;
use std::sync::Arc;

/// A candidate and its time.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Tried {
    /// `rows` (y = x W^T, dx) or `weights` (dW).
    pub kernel: &'static str,
    /// The tile shape.
    pub tile: Tile,
    /// Milliseconds of all products of this kind.
    pub ms: f64,
}

/// The result of tuning.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Tuned {
    /// The class to store: measured figures replace the built-in ones.
    pub class: AdapterClass,
    /// All candidates.
    pub tried: Vec<Tried>,
    /// Measurements with the chosen shapes.
    pub report: BenchReport,
}

fn candidates(gpu: &Gpu, built_in: Tile, weights: bool) -> Vec<Tile> {
    let tile = |broadcast, rows, columns, threads, k_step| Tile { broadcast, rows, columns, threads, k_step, lanes: 0 };
    let mut all = vec![built_in, tile(Broadcast::Workgroup, 4, 4, 256, 16), tile(Broadcast::Workgroup, 8, 4, 128, 16)];
    all.push(if weights { tile(Broadcast::None, 8, 8, 64, 1) } else { tile(Broadcast::None, 4, 4, 64, 1) });
    all.retain(|t| t.broadcast != Broadcast::Subgroup || t.lanes == built_in.lanes);
    let known = |i: usize, t: &Tile| !all[..i].contains(t);
    let unique: Vec<Tile> = all.iter().enumerate().filter(|(i, t)| known(*i, t)).map(|(_, t)| *t).collect();
    // Drop shapes with more invocations per workgroup than the device allows.
    let most = gpu.device.limits().max_compute_invocations_per_workgroup as usize;
    unique.into_iter().filter(|t| t.threads <= most).collect()
}

/// Measures at most four shapes for each kind of product.
///
/// # Errors
/// Fails if the device reports an error.
pub async fn tune(gpu: &Arc<Gpu>, start: &AdapterClass, progress: &mut dyn FnMut(&str)) -> Result<Tuned, BenchError> {
    let mut class = start.clone();
    let mut tried = vec![];
    for kernel in ["rows", "weights"] {
        let weights = kernel == "weights";
        let built_in = if weights { class.variants.weights } else { class.variants.rows };
        let mut best: Option<(f64, Tile)> = None;
        for tile in candidates(gpu, built_in, weights) {
            let variants = if weights { Variants { weights: tile, ..class.variants } } else { Variants { rows: tile, ..class.variants } };
            let candidate = AdapterClass { variants, ..class.clone() };
            progress(&format!("{kernel}: {tile:?}"));
            let ms = bench::products_ms(gpu, &candidate, weights).await?;
            tried.push(Tried { kernel, tile, ms });
            if best.is_none_or(|b| ms < b.0) {
                best = Some((ms, tile));
            }
        }
        if let Some((_, tile)) = best {
            if weights {
                class.variants.weights = tile;
            } else {
                class.variants.rows = tile;
            }
        }
    }
    let report = bench::run(gpu, &class, progress).await?;
    let (sum, n) = report.products.iter().fold((0.0, 0.0), |(s, n), p| (s + p.gflops * 1e9, n + 1.0));
    let rate = sum / n;
    // Factors are relative to the rate, so scale them to keep the predicted times.
    class.factors.values_mut().for_each(|factor| *factor *= rate / class.flops_per_second);
    class.flops_per_second = rate;
    class.bytes_per_second = report.ceilings.triad_bytes_per_second;
    class.dispatch_seconds = report.ceilings.dispatch_seconds;
    class.name = format!("{}-tuned", start.name.trim_end_matches("-tuned"));
    Ok(Tuned { class, tried, report })
}
