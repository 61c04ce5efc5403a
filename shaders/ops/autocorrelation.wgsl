// Attention by lag. Steps are taken mod T. A row of qkv holds q, k, v of a token.
//   R[l] = 1/D sum_t q[t + l] . k[t]; lag_i: the k largest (the lowest lag first among equals), descending; w = softmax of their R
//   y[t] = sum_i w_i v[t + lag_i]
//   dw_i = sum_t dy[t] . v[t + lag_i]; r_i = w_i (dw_i - sum_j w_j dw_j) / D
//   dq[t] = sum_i r_i k[t - lag_i]; dk[t] = sum_i r_i q[t + lag_i]; dv[t] = sum_i w_i dy[t - lag_i]
// `lags` holds (lag, w) of the i-th lag of a node. Width is a multiple of 4. One invocation owns: a lag of a node (`_scores`), a node
// (`_select`), four channels of a token (`_roll`), a selected lag of a node (`_backward_weights`), four columns of dqkv (`_backward`).
// All outputs are overwritten, dqkv unless its accumulate flag is set. `_select` marks a selected lag by overwriting its score.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,        // invocations per window
    n_steps: u32,      // T
    n_nodes: u32,
    quads: u32,        // D / 4
    k: u32,
    inverse_width: f32,
    accumulate_qkv: u32,
    qkv_base: u32,
    scores_base: u32,
    lags_base: u32,
    y_base: u32,
    d_y_base: u32,
    d_lags_base: u32,
    d_qkv_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> qkv: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> scores: array<f32>;
@group(0) @binding(4) var<storage, read_write> lags: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> d_y: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> d_lags: array<f32>;
@group(0) @binding(8) var<storage, read_write> d_qkv: array<vec4<f32>>;

const LOWEST: f32 = -3.0e38;

// Index of the first four channels of part 0 (q), 1 (k) or 2 (v) of a token.
fn row_of(window: u32, t: u32, n: u32, part: u32) -> u32 {
    return params.qkv_base / 4u + (((window * params.n_steps + t) * params.n_nodes + n) * 3u + part) * params.quads;
}

fn lag_of(window: u32, n: u32, i: u32) -> vec2<f32> {
    return lags[params.lags_base / 2u + (window * params.n_nodes + n) * params.k + i];
}

@compute @workgroup_size(64)
fn autocorrelation_scores(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let lag = item % params.n_steps;
    let n = (item / params.n_steps) % params.n_nodes;
    let window = item / params.count;
    var sum = vec4<f32>(0.0);
    for (var t = 0u; t < params.n_steps; t++) {
        let query = row_of(window, (t + lag) % params.n_steps, n, 0u);
        let key = row_of(window, t, n, 1u);
        for (var i = 0u; i < params.quads; i++) {
            sum += qkv[query + i] * qkv[key + i];
        }
    }
    scores[params.scores_base + item] = (sum.x + sum.y + sum.z + sum.w) * params.inverse_width;
}

@compute @workgroup_size(64)
fn autocorrelation_select(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let start = params.scores_base + item * params.n_steps;
    let kept = params.lags_base / 2u + item * params.k;
    var most = 0.0;
    var total = 0.0;
    for (var i = 0u; i < params.k; i++) {
        var best = 0u;
        var score = scores[start];
        for (var l = 1u; l < params.n_steps; l++) {
            if scores[start + l] > score {
                score = scores[start + l];
                best = l;
            }
        }
        if i == 0u { most = score; }
        scores[start + best] = LOWEST;
        let weight = exp(score - most);
        total += weight;
        lags[kept + i] = vec2<f32>(f32(best), weight);
    }
    for (var i = 0u; i < params.k; i++) {
        lags[kept + i].y = lags[kept + i].y / total;
    }
}

@compute @workgroup_size(64)
fn autocorrelation_roll(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let i = item % params.quads;
    let n = (item / params.quads) % params.n_nodes;
    let t = (item / (params.quads * params.n_nodes)) % params.n_steps;
    let window = item / params.count;
    var sum = vec4<f32>(0.0);
    for (var j = 0u; j < params.k; j++) {
        let lag = lag_of(window, n, j);
        sum += lag.y * qkv[row_of(window, (t + u32(lag.x)) % params.n_steps, n, 2u) + i];
    }
    y[params.y_base / 4u + item] = sum;
}

@compute @workgroup_size(64)
fn autocorrelation_backward_weights(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let n = (item / params.k) % params.n_nodes;
    let window = item / params.count;
    let lag = u32(lag_of(window, n, item % params.k).x);
    var sum = vec4<f32>(0.0);
    for (var t = 0u; t < params.n_steps; t++) {
        let value = row_of(window, (t + lag) % params.n_steps, n, 2u);
        let from_row = params.d_y_base / 4u + ((window * params.n_steps + t) * params.n_nodes + n) * params.quads;
        for (var i = 0u; i < params.quads; i++) {
            sum += d_y[from_row + i] * qkv[value + i];
        }
    }
    d_lags[params.d_lags_base + item] = sum.x + sum.y + sum.z + sum.w;
}

@compute @workgroup_size(64)
fn autocorrelation_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let i = item % params.quads;
    let part = (item / params.quads) % 3u;
    let n = (item / (params.quads * 3u)) % params.n_nodes;
    let t = (item / (params.quads * 3u * params.n_nodes)) % params.n_steps;
    let window = item / params.count;
    let d_weights = params.d_lags_base + (window * params.n_nodes + n) * params.k;
    var mean = 0.0;
    for (var j = 0u; j < params.k; j++) {
        mean += lag_of(window, n, j).y * d_lags[d_weights + j];
    }
    var sum = vec4<f32>(0.0);
    for (var j = 0u; j < params.k; j++) {
        let lag = lag_of(window, n, j);
        let before = (t + params.n_steps - u32(lag.x)) % params.n_steps;
        let after = (t + u32(lag.x)) % params.n_steps;
        let r = lag.y * (d_lags[d_weights + j] - mean) * params.inverse_width;
        if part == 0u {
            sum += r * qkv[row_of(window, before, n, 1u) + i];
        } else if part == 1u {
            sum += r * qkv[row_of(window, after, n, 0u) + i];
        } else {
            sum += lag.y * d_y[params.d_y_base / 4u + ((window * params.n_steps + before) * params.n_nodes + n) * params.quads + i];
        }
    }
    let to = params.d_qkv_base / 4u + item;
    if params.accumulate_qkv != 0u { d_qkv[to] += sum; } else { d_qkv[to] = sum; }
}
