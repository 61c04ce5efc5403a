// y = 0.01 sum over both tables of mean |w| + 0.001 sum over all rows of H, H = -sum_j p_j ln p_j, p = softmax(row).
//   d_w[j] = d_y (0.01 sign(w[j]) / elements - 0.001 p_j (ln p_j + H))
// Runs once per step. Grid: one invocation per row (first the rows of a, then those of b); `_total`: one invocation adds the terms of the
// rows in order.
// terms and y are overwritten; gradients of parameters are added to.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,       // invocations
    a_rows: u32,
    rows: u32,        // of both
    a_columns: u32,
    b_columns: u32,
    a_share: f32,     // 0.01 / elements of a
    b_share: f32,
    a_base: u32,
    b_base: u32,
    terms_base: u32,
    y_base: u32,
    d_y_base: u32,
    d_a_base: u32,
    d_b_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> terms: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_y: array<f32>;
@group(0) @binding(6) var<storage, read_write> d_weights: array<f32>;

const ENTROPY: f32 = 0.001;

struct Row {
    at: u32,          // first element
    columns: u32,
    share: f32,
    lse: f32,         // ln sum exp
    entropy: f32,
    magnitude: f32,   // sum of |w|
}

fn row_of(r: u32) -> Row {
    var row: Row;
    row.at = params.a_base + r * params.a_columns;
    row.columns = params.a_columns;
    row.share = params.a_share;
    if r >= params.a_rows {
        row.at = params.b_base + (r - params.a_rows) * params.b_columns;
        row.columns = params.b_columns;
        row.share = params.b_share;
    }
    var most = weights[row.at];
    for (var j = 1u; j < row.columns; j++) {
        most = max(most, weights[row.at + j]);
    }
    var sum = 0.0;
    for (var j = 0u; j < row.columns; j++) {
        sum += exp(weights[row.at + j] - most);
        row.magnitude += abs(weights[row.at + j]);
    }
    row.lse = most + log(sum);
    for (var j = 0u; j < row.columns; j++) {
        let l = weights[row.at + j] - row.lse;
        row.entropy -= exp(l) * l;
    }
    return row;
}

@compute @workgroup_size(64)
fn graph_penalty_rows(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = (group.x + params.first) * 64u + lane;
    if r >= params.count { return; }
    let row = row_of(r);
    terms[params.terms_base + r] = row.share * row.magnitude + ENTROPY * row.entropy;
}

@compute @workgroup_size(64)
fn graph_penalty_total(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= active_windows() * params.count { return; }
    var total = 0.0;
    for (var r = 0u; r < params.rows; r++) {
        total += terms[params.terms_base + r];
    }
    y[params.y_base] = total;
}

@compute @workgroup_size(64)
fn graph_penalty_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = (group.x + params.first) * 64u + lane;
    if r >= params.count { return; }
    let row = row_of(r);
    var to = params.d_a_base + r * params.a_columns;
    if r >= params.a_rows { to = params.d_b_base + (r - params.a_rows) * params.b_columns; }
    for (var j = 0u; j < row.columns; j++) {
        let w = weights[row.at + j];
        let l = w - row.lse;
        d_weights[to + j] += d_y[params.d_y_base] * (row.share * sign(w) - ENTROPY * exp(l) * (l + row.entropy));
    }
}
