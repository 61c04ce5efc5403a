// For each target the k strongest drivers: strength[j, i] = sqrt(sum_r edges[r, j, i]^2), 0 where i is j's own; the lowest index first among
// equals. prob = (strength + 1e-3) / sum over the k.
// Runs once per step, without gradient. Grid: `_choose`: one invocation per target; `_by_sender`: one per series, and one for the end. Whole
// numbers are stored as floats. Outputs are overwritten.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,         // invocations
    rank: u32,          // R
    targets: u32,       // Nt
    series: u32,        // Nx
    k: u32,
    edges_base: u32,
    prob_base: u32,
    index_base: u32,
    starts_base: u32,
    entries_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> edges: array<f32>;
@group(0) @binding(3) var<storage, read_write> prob: array<f32>;
@group(0) @binding(4) var<storage, read_write> index: array<f32>;
@group(0) @binding(5) var<storage, read_write> starts: array<f32>;
@group(0) @binding(6) var<storage, read_write> entries: array<f32>;

fn squared_strength(j: u32, i: u32) -> f32 {
    if i == params.series - params.targets + j { return 0.0; }
    var total = 0.0;
    for (var r = 0u; r < params.rank; r++) {
        let e = edges[params.edges_base + (r * params.targets + j) * params.series + i];
        total += e * e;
    }
    return total;
}

@compute @workgroup_size(64)
fn driver_edges_choose(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let j = (group.x + params.first) * 64u + lane;
    if j >= params.count { return; }
    let to = j * params.k;
    var last = 0.0;
    var last_at = 0u;
    var sum = 0.0;
    for (var slot = 0u; slot < params.k; slot++) {
        // The best candidate after the last chosen one: it is weaker, or equal with a higher index.
        var best = -1.0;
        var best_at = params.series;
        for (var i = 0u; i < params.series; i++) {
            let v = squared_strength(j, i);
            let free = slot == 0u || v < last || (v == last && i > last_at);
            if free && v > best {
                best = v;
                best_at = i;
            }
        }
        last = best;
        last_at = best_at;
        let p = sqrt(max(best, 0.0)) + 1e-3;
        sum += p;
        prob[params.prob_base + to + slot] = p;
        // NaN strengths have no order. Any series is acceptable, because the step is bad anyway.
        index[params.index_base + to + slot] = f32(min(best_at, params.series - 1u));
    }
    for (var slot = 0u; slot < params.k; slot++) {
        prob[params.prob_base + to + slot] /= sum;
    }
}

@compute @workgroup_size(64)
fn driver_edges_by_sender(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let s = (group.x + params.first) * 64u + lane;
    if s >= params.count { return; }
    let n = params.targets * params.k;
    var start = 0u;
    for (var e = 0u; e < n; e++) {
        start += u32(u32(index[params.index_base + e]) < s);
    }
    starts[params.starts_base + s] = f32(start);
    var at = params.entries_base + start;
    for (var e = 0u; e < n; e++) {
        if u32(index[params.index_base + e]) == s {
            entries[at] = f32(e);
            at += 1u;
        }
    }
}
