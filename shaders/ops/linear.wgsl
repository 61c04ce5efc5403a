// y = a(x) W^T + b (+ residual), a = identity, relu or tanh-gelu, then dropout: what is activated is what is loaded, so that the
// activation's output is never stored. W is [columns, inner], row-major, as in PyTorch.
//   d_x = a'(x) (d_y W);   d_W = sum_rows d_y^T a(x);   d_b = sum_rows d_y;   d_residual = d_y
// The tiled loops come from the generator (src/ops/generator/matmul.rs); they call the accessors below, which guard the edges.
// y, d_x, partial are overwritten unless an accumulate flag says otherwise; fold adds to the gradients, left to right.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,        // rows a window
    inner: u32,        // K
    columns: u32,      // M
    node: u32,
    threshold: u32,    // dropout: bits below are dropped
    keep_scale: f32,
    block_rows: u32,
    blocks: u32,       // blocks a window
    group: u32,        // blocks whose partial sums are in scratch
    has_bias: u32,
    accumulate_x: u32,
    accumulate_residual: u32,
    x_base: u32,
    weight_base: u32,
    bias_base: u32,
    y_base: u32,
    residual_base: u32,
    d_y_base: u32,
    d_x_base: u32,
    d_residual_base: u32,
    partial_base: u32,
    d_weight_base: u32,
    d_bias_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> step: Step;
@group(0) @binding(2) var<storage, read_write> x: array<f32>;
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read_write> residual: array<f32>;
@group(0) @binding(6) var<storage, read_write> d_y: array<f32>;
@group(0) @binding(7) var<storage, read_write> d_x: array<f32>;
@group(0) @binding(8) var<storage, read_write> partial: array<f32>;
@group(0) @binding(9) var<storage, read_write> d_weights: array<f32>;
@group(0) @binding(10) var<storage, read_write> d_residual: array<f32>;

override activation: u32 = 0u; // 0 identity, 1 relu, 2 gelu (tanh form)

fn active_windows() -> u32 {
    return min(params.windows, step.windows - params.window0);
}

fn active_rows() -> u32 {
    return active_windows() * params.count;
}

fn keep(row: u32, k: u32) -> f32 {
    if params.threshold == 0u { return 1.0; }
    let window = step.first_window + params.window0 + row / params.count;
    let bits = random_bits((row % params.count) * params.inner + k, window, params.node, step.key0, step.key1);
    return dropout_factor(bits, params.threshold, params.keep_scale);
}

// a(x) with dropout: [row, k].
fn activated(row: u32, k: u32) -> f32 {
    let v = x[params.x_base + row * params.inner + k];
    if activation == 1u { return max(v, 0.0) * keep(row, k); }
    if activation == 2u { return gelu(v) * keep(row, k); }
    return v * keep(row, k);
}

// forward: rows x inner, inner x columns.
fn forward_a(row: u32, k: u32, k_end: u32) -> f32 {
    if row >= active_rows() || k >= k_end { return 0.0; }
    return activated(row, k);
}

fn forward_b(k: u32, column: u32, k_end: u32) -> f32 {
    if column >= params.columns || k >= k_end { return 0.0; }
    return weights[params.weight_base + column * params.inner + k];
}

fn forward_value(column: u32, value: f32) -> f32 {
    if params.has_bias != 0u { return value + weights[params.bias_base + column]; }
    return value;
}

fn forward_store(row: u32, column: u32, value: f32) {
    if row >= active_rows() || column >= params.columns { return; }
    y[params.y_base + row * params.columns + column] = forward_value(column, value);
}

fn forward_residual_store(row: u32, column: u32, value: f32) {
    if row >= active_rows() || column >= params.columns { return; }
    let at = row * params.columns + column;
    y[params.y_base + at] = forward_value(column, value) + residual[params.residual_base + at];
}

// gradient of x: rows x columns, columns x inner.
fn backward_a(row: u32, m: u32, m_end: u32) -> f32 {
    if row >= active_rows() || m >= m_end { return 0.0; }
    return d_y[params.d_y_base + row * params.columns + m];
}

fn backward_b(m: u32, k: u32, m_end: u32) -> f32 {
    if k >= params.inner || m >= m_end { return 0.0; }
    return weights[params.weight_base + m * params.inner + k];
}

fn backward_store(row: u32, k: u32, value: f32) {
    if row >= active_rows() || k >= params.inner { return; }
    let at = params.d_x_base + row * params.inner + k;
    if params.accumulate_x != 0u { d_x[at] += value; } else { d_x[at] = value; }
}

fn backward_activated_store(row: u32, k: u32, value: f32) {
    if row >= active_rows() || k >= params.inner { return; }
    let v = x[params.x_base + row * params.inner + k];
    var slope = 1.0;
    if activation == 1u { slope = select(0.0, 1.0, v > 0.0); }
    if activation == 2u { slope = gelu_slope(v); }
    let at = params.d_x_base + row * params.inner + k;
    let d = value * slope * keep(row, k);
    if params.accumulate_x != 0u { d_x[at] += d; } else { d_x[at] = d; }
}

// gradient of W over one block of rows: columns x rows, rows x inner.
fn weight_a(m: u32, row: u32, row_end: u32) -> f32 {
    if m >= params.columns || row >= row_end { return 0.0; }
    return d_y[params.d_y_base + row * params.columns + m];
}

fn weight_b(row: u32, k: u32, row_end: u32) -> f32 {
    if k >= params.inner || row >= row_end { return 0.0; }
    return activated(row, k);
}

fn partial_len() -> u32 {
    return params.columns * (params.inner + params.has_bias);
}

fn weight_store(slot: u32, m: u32, k: u32, value: f32) {
    if m >= params.columns || k >= params.inner { return; }
    partial[params.partial_base + slot * partial_len() + m * params.inner + k] = value;
}

fn bias_store(slot: u32, m: u32, value: f32) {
    if m >= params.columns || params.has_bias == 0u { return; }
    partial[params.partial_base + slot * partial_len() + params.columns * params.inner + m] = value;
}

// Adds the group's partial sums to the gradients, left to right. One invocation an element.
@compute @workgroup_size(64)
fn linear_fold(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group.x * 64u + lane;
    let n = partial_len();
    if i >= n { return; }
    let blocks = active_windows() * params.blocks;
    if params.first >= blocks { return; }
    let present = min(params.group, blocks - params.first);
    let weight = params.columns * params.inner;
    var at = params.d_weight_base + i;
    if i >= weight { at = params.d_bias_base + i - weight; }
    var total = d_weights[at];
    for (var b = 0u; b < present; b++) {
        total += partial[params.partial_base + b * n + i];
    }
    d_weights[at] = total;
}

@compute @workgroup_size(64)
fn linear_backward_residual(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= active_rows() * params.columns { return; }
    let d = d_y[params.d_y_base + i];
    if params.accumulate_residual != 0u { d_residual[params.d_residual_base + i] += d; } else { d_residual[params.d_residual_base + i] = d; }
}
