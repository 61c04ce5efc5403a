// The terms of the weight and the score of an edge that do not depend on the tokens of a step; y is [edges, 2, heads].
//   y[edge, 0] = weight s, s = sigmoid(structure[edge]);  y[edge, 1] = log max(prob[edge], 1e-12), for every head
//   dstructure = dy0 weight s (1 - s);  dweight = sum dy0 s;  dprob[edge] = sum_heads dy1 / prob
// One invocation owns an edge and head; in `_sums` an edge of a window; in `_fold_prob` an edge and in `_fold_weight` everything, with the
// windows in order. y and sums are overwritten, dstructure unless its accumulate flag is set; dprob and dweight are added to.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,        // invocations per window (in the folds, in total)
    edges: u32,        // per window
    heads: u32,
    accumulate_structure: u32,
    structure_base: u32,
    prob_base: u32,
    weight_base: u32,
    y_base: u32,
    d_y_base: u32,
    d_structure_base: u32,
    sums_base: u32,
    d_prob_base: u32,
    d_weight_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> structure: array<f32>;
@group(0) @binding(3) var<storage, read_write> prob: array<f32>;
@group(0) @binding(4) var<storage, read> weights: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
@group(0) @binding(6) var<storage, read_write> d_y: array<f32>;
@group(0) @binding(7) var<storage, read_write> d_structure: array<f32>;
@group(0) @binding(8) var<storage, read_write> sums: array<vec2<f32>>;
@group(0) @binding(9) var<storage, read_write> d_prob: array<f32>;
@group(0) @binding(10) var<storage, read_write> d_weights: array<f32>;

const LEAST: f32 = 1e-12;

// The argument of exp is never positive, so nothing overflows.
fn sigmoid(x: f32) -> f32 {
    let e = exp(-abs(x));
    return select(e, 1.0, x >= 0.0) / (1.0 + e);
}

fn sigmoid_slope(x: f32) -> f32 {
    let e = exp(-abs(x));
    return e / ((1.0 + e) * (1.0 + e));
}

// Index, without a base, of the first term of an edge and head.
fn term_at(item: u32) -> u32 {
    return item / params.heads * 2u * params.heads + item % params.heads;
}

@compute @workgroup_size(64)
fn edge_terms_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let to = params.y_base + term_at(item);
    y[to] = weights[params.weight_base] * sigmoid(structure[params.structure_base + item]);
    y[to + params.heads] = log(max(prob[params.prob_base + item / params.heads % params.edges], LEAST));
}

@compute @workgroup_size(64)
fn edge_terms_backward_structure(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let slope = sigmoid_slope(structure[params.structure_base + item]);
    let d = d_y[params.d_y_base + term_at(item)] * weights[params.weight_base] * slope;
    let to = params.d_structure_base + item;
    if params.accumulate_structure != 0u { d_structure[to] += d; } else { d_structure[to] = d; }
}

@compute @workgroup_size(64)
fn edge_terms_backward_sums(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let edge = (group.x + params.first) * 64u + lane; // of all windows
    if edge >= active_windows() * params.count { return; }
    var total = vec2<f32>(0.0);
    for (var h = 0u; h < params.heads; h++) {
        let from_base = params.d_y_base + edge * 2u * params.heads + h;
        let s = sigmoid(structure[params.structure_base + edge * params.heads + h]);
        total += vec2<f32>(d_y[from_base] * s, d_y[from_base + params.heads]);
    }
    sums[params.sums_base / 2u + edge] = total;
}

@compute @workgroup_size(64)
fn edge_terms_fold_prob(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let edge = group.x * 64u + lane;
    if edge >= params.count { return; }
    let p = prob[params.prob_base + edge];
    if p < LEAST { return; }
    var total = d_prob[params.d_prob_base + edge];
    for (var w = 0u; w < active_windows(); w++) {
        total += sums[params.sums_base / 2u + w * params.edges + edge].y / p;
    }
    d_prob[params.d_prob_base + edge] = total;
}

@compute @workgroup_size(1)
fn edge_terms_fold_weight() {
    var total = d_weights[params.d_weight_base];
    for (var i = 0u; i < active_windows() * params.edges; i++) {
        total += sums[params.sums_base / 2u + i].x;
    }
    d_weights[params.d_weight_base] = total;
}
