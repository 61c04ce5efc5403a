// y = a(x) W^T + b (+ residual), a = identity, relu or tanh-gelu, then dropout. The activation is applied to loaded values, so that its
// output is never stored. W is [columns, inner], row-major, as in PyTorch: the columns from column0 on of a weight with rows of `stride`
// elements (column0 = 0 and stride = inner without `column0`).
//   d_x = a'(x) (d_y W);   d_W = sum_rows d_y^T a(x);   d_b = sum_rows d_y;   d_residual = d_y
// The generator (src/engine/ops/generator/matmul.rs) writes the tiled loops. They call the functions below: `.._at` returns the first
// element of a row (clamped: a row beyond the end is loaded, but never stored), the others load or store four elements.
// linear_quads.wgsl (inner and columns are multiples of 4) or linear_scalars.wgsl (any extents) are put in front: Element, LANES, and
// `.._quad(at, present)` and `put_..(at, present, value)`, which access the first `present` of the four elements from `at` on.
// y, d_x, partial are overwritten unless `accumulate` is set; fold adds to the gradients, left to right.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,        // rows per window
    inner: u32,        // K
    columns: u32,      // M
    stride: u32,       // elements between neighbouring rows of the weight
    column0: u32,      // first column of W in the weight
    node: u32,
    threshold: u32,    // dropout: an element with smaller random bits is dropped
    keep_scale: f32,
    block_rows: u32,
    blocks: u32,       // blocks per window
    group: u32,        // blocks whose partial sums are in scratch at a time
    has_bias: u32,
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
@group(0) @binding(2) var<storage, read_write> x: array<Element>;
@group(0) @binding(3) var<storage, read> weights: array<Element>;
@group(0) @binding(4) var<storage, read_write> y: array<Element>;
@group(0) @binding(5) var<storage, read_write> residual: array<Element>;
@group(0) @binding(6) var<storage, read_write> d_y: array<Element>;
@group(0) @binding(7) var<storage, read_write> d_x: array<Element>;
@group(0) @binding(8) var<storage, read_write> partial: array<Element>;
@group(0) @binding(9) var<storage, read_write> d_weights: array<Element>;
@group(0) @binding(10) var<storage, read_write> d_residual: array<Element>;

override activation: u32 = 0u; // 0 identity, 1 relu, 2 gelu (tanh form)
override drops: u32 = 0u;      // 1: dropout after the activation
override biased: u32 = 0u;     // 1: the map has a bias
override accumulate: u32 = 0u; // 1: what is stored by rows is added to the existing values

fn active_rows() -> u32 {
    return active_windows() * params.count;
}

// Number of elements of `extent` from `first` on.
fn rest(extent: u32, first: u32) -> u32 {
    return extent - min(first, extent);
}

fn keep(row: u32, k: u32) -> vec4<f32> {
    let window = step.first_window + params.window0 + row / params.count;
    let element = (row % params.count) * params.inner + k;
    var factors: vec4<f32>;
    factors.x = dropout_factor(random_bits(element, window, params.node, step.key0, step.key1), params.threshold, params.keep_scale);
    factors.y = dropout_factor(random_bits(element + 1u, window, params.node, step.key0, step.key1), params.threshold, params.keep_scale);
    factors.z = dropout_factor(random_bits(element + 2u, window, params.node, step.key0, step.key1), params.threshold, params.keep_scale);
    factors.w = dropout_factor(random_bits(element + 3u, window, params.node, step.key0, step.key1), params.threshold, params.keep_scale);
    return factors;
}

// a(x) with dropout: [row, k .. k + 4].
fn activated(quad: vec4<f32>, row: u32, k: u32) -> vec4<f32> {
    var v = quad;
    if activation == 1u { v = max(v, vec4<f32>()); }
    if activation == 2u { v = vec4<f32>(gelu(v.x), gelu(v.y), gelu(v.z), gelu(v.w)); }
    if drops != 0u { v *= keep(row, k); }
    return v;
}

// forward: rows x inner, inner x columns.
fn forward_a_at(row: u32) -> u32 {
    return params.x_base + min(row, active_rows() - 1u) * params.inner;
}

fn forward_a(at: u32, row: u32, k: u32) -> vec4<f32> {
    return activated(x_quad(at + k, rest(params.inner, k)), row, k);
}

fn forward_b_at(column: u32) -> u32 {
    return params.weight_base + params.column0 + min(column, params.columns - 1u) * params.stride;
}

fn forward_b(at: u32, column: u32, k: u32) -> vec4<f32> {
    return weight_quad(at + k, rest(params.inner, k));
}

fn forward_value(column: u32, value: vec4<f32>) -> vec4<f32> {
    if biased == 0u { return value; }
    return value + weight_quad(params.bias_base + column, rest(params.columns, column));
}

fn forward_store(row: u32, column: u32, value: vec4<f32>) {
    if row >= active_rows() || column >= params.columns { return; }
    put_y(params.y_base + row * params.columns + column, rest(params.columns, column), forward_value(column, value));
}

fn forward_residual_store(row: u32, column: u32, value: vec4<f32>) {
    if row >= active_rows() || column >= params.columns { return; }
    let at = row * params.columns + column;
    let present = rest(params.columns, column);
    put_y(params.y_base + at, present, forward_value(column, value) + residual_quad(params.residual_base + at, present));
}

// gradient of x: rows x columns, columns x inner.
fn backward_a_at(row: u32) -> u32 {
    return params.d_y_base + min(row, active_rows() - 1u) * params.columns;
}

fn backward_a(at: u32, row: u32, m: u32) -> vec4<f32> {
    return d_y_quad(at + m, rest(params.columns, m));
}

fn backward_b_at(k: u32) -> u32 {
    return params.weight_base + params.column0 + min(k, params.inner - 1u);
}

fn backward_b(at: u32, k: u32, m: u32) -> vec4<f32> {
    return weight_quad(at + m * params.stride, select(0u, rest(params.inner, k), m < params.columns));
}

fn backward_store(row: u32, k: u32, value: vec4<f32>) {
    if row >= active_rows() || k >= params.inner { return; }
    put_d_x(params.d_x_base + row * params.inner + k, rest(params.inner, k), value);
}

fn backward_activated_store(row: u32, k: u32, value: vec4<f32>) {
    if row >= active_rows() || k >= params.inner { return; }
    let v = x_quad(params.x_base + row * params.inner + k, rest(params.inner, k));
    var d = value;
    if activation == 1u { d = select(vec4<f32>(), d, v > vec4<f32>()); }
    if activation == 2u { d *= vec4<f32>(gelu_slope(v.x), gelu_slope(v.y), gelu_slope(v.z), gelu_slope(v.w)); }
    if drops != 0u { d *= keep(row, k); }
    put_d_x(params.d_x_base + row * params.inner + k, rest(params.inner, k), d);
}

// gradient of W over one block of rows: columns x rows, rows x inner.
fn weight_a_at(m: u32) -> u32 {
    return params.d_y_base + min(m, params.columns - 1u);
}

fn weight_a(at: u32, m: u32, row: u32) -> vec4<f32> {
    return d_y_quad(at + row * params.columns, rest(params.columns, m));
}

fn weight_a_pair(at: u32, m: u32, row: u32) -> vec2<f32> {
    return d_y_pair(at + row * params.columns, rest(params.columns, m));
}

fn weight_b_at(k: u32) -> u32 {
    return params.x_base + min(k, params.inner - 1u);
}

fn weight_b(at: u32, k: u32, row: u32) -> vec4<f32> {
    return activated(x_quad(at + row * params.inner, rest(params.inner, k)), row, k);
}

fn partial_len() -> u32 {
    return params.columns * (params.inner + params.has_bias);
}

fn weight_store(slot: u32, m: u32, k: u32, value: vec4<f32>) {
    if m >= params.columns || k >= params.inner { return; }
    put_partial(params.partial_base + slot * partial_len() + m * params.inner + k, rest(params.inner, k), value);
}

fn bias_store(slot: u32, m: u32, value: vec4<f32>) {
    if m >= params.columns { return; }
    put_partial(params.partial_base + slot * partial_len() + params.columns * params.inner + m, rest(params.columns, m), value);
}

fn bias_store_pair(slot: u32, m: u32, value: vec2<f32>) {
    if m >= params.columns { return; }
    let at = params.partial_base + slot * partial_len() + params.columns * params.inner + m;
    put_partial_pair(at, rest(params.columns, m), value);
}

// Adds the partial sums of the group to the gradients, left to right. One invocation per element (quad).
@compute @workgroup_size(64)
fn linear_fold(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group.x * 64u + lane;
    let n = partial_len() / LANES;
    if i >= n { return; }
    let blocks = active_windows() * params.blocks;
    if params.first >= blocks { return; }
    let present = min(params.group, blocks - params.first);
    let weight = params.columns * params.inner / LANES;
    let wide = params.inner / LANES;
    var at = (params.d_weight_base + params.column0) / LANES + i / wide * (params.stride / LANES) + i % wide;
    if i >= weight { at = params.d_bias_base / LANES + i - weight; }
    var total = d_weights[at];
    for (var b = 0u; b < present; b++) {
        total += partial[params.partial_base / LANES + b * n + i];
    }
    d_weights[at] = total;
}

@compute @workgroup_size(64)
fn linear_backward_residual(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= active_rows() * params.columns / LANES { return; }
    let d = d_y[params.d_y_base / LANES + i];
    let at = params.d_residual_base / LANES + i;
    if accumulate != 0u { d_residual[at] += d; } else { d_residual[at] = d; }
}
