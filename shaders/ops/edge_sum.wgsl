// The contributions of the sender and the receiver of an edge.
//   y[t, i, e] = a[t, index[i, e]] + b[t, i] (+ log max(prob[i, e], 1e-12))
//   da[t, s] = sum of dy over the edges of sender s;  db[t, i] = sum_e dy[t, i, e];  dprob[i, e] = sum_{windows, t, channels} dy / prob
// Edges of sender s: entries[starts[s] .. starts[s + 1]], each receiver * k + e; index, starts, entries are whole numbers stored as floats.
// The op puts Vector (vec4, vec2 or f32), LANES (floats per Vector) and sum_of in front. One invocation owns a Vector of y, of da or of db;
// in `_sums` an edge of a window; in `_fold` an edge, with the windows in order. y and sums are overwritten, da and db unless an accumulate
// flag is set; dprob is added to.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,        // invocations per window (in `_fold`, in total)
    parts: u32,        // channels / LANES
    n_steps: u32,
    n_senders: u32,
    n_receivers: u32,
    k: u32,            // edges per receiver
    accumulate_a: u32,
    accumulate_b: u32,
    a_base: u32,
    b_base: u32,
    index_base: u32,
    starts_base: u32,
    entries_base: u32,
    prob_base: u32,
    y_base: u32,
    d_y_base: u32,
    d_a_base: u32,
    d_b_base: u32,
    sums_base: u32,
    d_prob_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> a: array<Vector>;
@group(0) @binding(3) var<storage, read_write> b: array<Vector>;
@group(0) @binding(4) var<storage, read_write> index: array<f32>;
@group(0) @binding(5) var<storage, read_write> starts: array<f32>;
@group(0) @binding(6) var<storage, read_write> entries: array<f32>;
@group(0) @binding(7) var<storage, read_write> prob: array<f32>;
@group(0) @binding(8) var<storage, read_write> y: array<Vector>;
@group(0) @binding(9) var<storage, read_write> d_y: array<Vector>;
@group(0) @binding(10) var<storage, read_write> d_a: array<Vector>;
@group(0) @binding(11) var<storage, read_write> d_b: array<Vector>;
@group(0) @binding(12) var<storage, read_write> sums: array<f32>;
@group(0) @binding(13) var<storage, read_write> d_prob: array<f32>;

const LEAST: f32 = 1e-12;

fn edge_of(item: u32) -> u32 {
    return (item / params.parts) % (params.n_receivers * params.k);
}

fn ends(item: u32) -> Vector {
    let part = item % params.parts;
    let edge = edge_of(item);
    let t = item / (params.parts * params.n_receivers * params.k); // of all windows
    let sender = t * params.n_senders + u32(index[params.index_base + edge]);
    let receiver = t * params.n_receivers + edge / params.k;
    return a[params.a_base / LANES + sender * params.parts + part] + b[params.b_base / LANES + receiver * params.parts + part];
}

@compute @workgroup_size(64)
fn edge_sum_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    y[params.y_base / LANES + item] = ends(item);
}

@compute @workgroup_size(64)
fn edge_sum_forward_prob(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    y[params.y_base / LANES + item] = ends(item) + Vector(log(max(prob[params.prob_base + edge_of(item)], LEAST)));
}

@compute @workgroup_size(64)
fn edge_sum_backward_a(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let part = item % params.parts;
    let sender = (item / params.parts) % params.n_senders;
    let t = item / (params.parts * params.n_senders); // of all windows
    let end = u32(starts[params.starts_base + sender + 1u]);
    var total = Vector();
    for (var n = u32(starts[params.starts_base + sender]); n < end; n++) {
        let edge = t * params.n_receivers * params.k + u32(entries[params.entries_base + n]);
        total += d_y[params.d_y_base / LANES + edge * params.parts + part];
    }
    let to = params.d_a_base / LANES + item;
    if params.accumulate_a != 0u { d_a[to] += total; } else { d_a[to] = total; }
}

@compute @workgroup_size(64)
fn edge_sum_backward_b(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let start = params.d_y_base / LANES + item / params.parts * params.k * params.parts + item % params.parts;
    var total = Vector();
    for (var e = 0u; e < params.k; e++) {
        total += d_y[start + e * params.parts];
    }
    let to = params.d_b_base / LANES + item;
    if params.accumulate_b != 0u { d_b[to] += total; } else { d_b[to] = total; }
}

@compute @workgroup_size(64)
fn edge_sum_backward_sums(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let edges = params.n_receivers * params.k;
    let start = item / edges * params.n_steps * edges + item % edges;
    var total = Vector();
    for (var t = 0u; t < params.n_steps; t++) {
        for (var part = 0u; part < params.parts; part++) {
            total += d_y[params.d_y_base / LANES + (start + t * edges) * params.parts + part];
        }
    }
    sums[params.sums_base + item] = sum_of(total);
}

@compute @workgroup_size(64)
fn edge_sum_fold(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let edge = group.x * 64u + lane;
    if edge >= params.count { return; }
    let p = prob[params.prob_base + edge];
    if p < LEAST { return; }
    var total = d_prob[params.d_prob_base + edge];
    for (var w = 0u; w < active_windows(); w++) {
        total += sums[params.sums_base + w * params.count + edge] / p;
    }
    d_prob[params.d_prob_base + edge] = total;
}
