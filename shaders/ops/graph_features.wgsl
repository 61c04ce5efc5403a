// The features of a node in the fixed graph: four parts side by side, each of width q = quarter.
//   y[n] = [distance[hop_n], W_c c_n + b_c, W_s s_n + b_s, W_w w_n + b_w]
//   ddistance[h] = sum_{n: hop_n = h} dy;  dW = sum_n dy f^T;  db = sum_n dy
// A row of `features` is [hop, 4 centralities, spectral, random walk]; hop is a whole number. Runs once per step.
// Forward: one invocation per element of y. Backward: one per element of the distance table (`_distance`), or of the weight and then the
// bias of parts 1 to 3 (`_part`), with the nodes in order. y is overwritten, gradients are added to.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,             // invocations
    nodes: u32,
    features_of_node: u32,
    quarter: u32,
    n_spectral: u32,
    n_walk: u32,
    part: u32,              // backward: part whose gradient is computed
    first_feature: u32,     // first feature of this part
    length: u32,
    features_base: u32,
    distance_base: u32,
    centrality_base: u32,
    centrality_bias_base: u32,
    spectral_base: u32,
    spectral_bias_base: u32,
    walk_base: u32,
    walk_bias_base: u32,
    y_base: u32,
    d_y_base: u32,
    d_weight_base: u32,
    d_bias_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> features: array<f32>;
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_y: array<f32>;
@group(0) @binding(6) var<storage, read_write> d_weights: array<f32>;

fn linear_part(weight: u32, bias: u32, column: u32, feature: u32, length: u32) -> f32 {
    var total = weights[bias + column];
    for (var i = 0u; i < length; i++) {
        total += weights[weight + column * length + i] * features[feature + i];
    }
    return total;
}

@compute @workgroup_size(64)
fn graph_features_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= params.count { return; }
    let row = params.features_base + item / (4u * params.quarter) * params.features_of_node;
    let column = item % params.quarter;
    var value = 0.0;
    switch (item / params.quarter) % 4u {
        case 0u: { value = weights[params.distance_base + u32(features[row]) * params.quarter + column]; }
        case 1u: { value = linear_part(params.centrality_base, params.centrality_bias_base, column, row + 1u, 4u); }
        case 2u: { value = linear_part(params.spectral_base, params.spectral_bias_base, column, row + 5u, params.n_spectral); }
        default: {
            value = linear_part(params.walk_base, params.walk_bias_base, column, row + 5u + params.n_spectral, params.n_walk);
        }
    }
    y[params.y_base + item] = value;
}

@compute @workgroup_size(64)
fn graph_features_backward_distance(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= params.count { return; }
    let hop = item / params.quarter;
    var total = 0.0;
    for (var n = 0u; n < params.nodes; n++) {
        if u32(features[params.features_base + n * params.features_of_node]) == hop {
            total += d_y[params.d_y_base + n * 4u * params.quarter + item % params.quarter];
        }
    }
    d_weights[params.d_weight_base + item] += total;
}

@compute @workgroup_size(64)
fn graph_features_backward_part(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= params.count { return; }
    let of_weight = params.quarter * params.length;
    let is_bias = item >= of_weight;
    let column = select(item / params.length, item - min(item, of_weight), is_bias);
    let feature = params.features_base + params.first_feature + item % params.length;
    var total = 0.0;
    for (var n = 0u; n < params.nodes; n++) {
        let d = d_y[params.d_y_base + (4u * n + params.part) * params.quarter + column];
        total += d * select(features[feature + n * params.features_of_node], 1.0, is_bias);
    }
    let to = select(params.d_weight_base + item, params.d_bias_base + column, is_bias);
    d_weights[to] += total;
}
