// y = [a, x] W^T + b, W [columns, 2 inner]: its left half multiplies a, its right half x.
//   d_a = d_y W_left;  d_x = d_y W_right;  d_W = sum_rows d_y^T [a, x];  d_b = sum_rows d_y
// The generator (src/engine/ops/generator/matmul.rs) writes the tiled loops; forward has one loop per half. Backward kernels process the
// half in `half`; their x is a or x. src/engine/ops/generator/access.rs writes NAME_quad, put_NAME, set_NAME, Element and LANES.
// y and partial are overwritten, d_x unless `accumulate` is set; fold adds to the gradients, left to right.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,        // rows per window
    inner: u32,        // K
    columns: u32,      // M
    block_rows: u32,
    blocks: u32,       // blocks per window
    group: u32,        // blocks whose partial sums are in scratch at a time
    a_base: u32,
    x_base: u32,
    weight_base: u32,
    bias_base: u32,
    y_base: u32,
    d_y_base: u32,
    d_x_base: u32,
    partial_base: u32,
    d_weight_base: u32,
    d_bias_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> a: array<Element>;
@group(0) @binding(3) var<storage, read_write> x: array<Element>;
@group(0) @binding(4) var<storage, read> weights: array<Element>;
@group(0) @binding(5) var<storage, read_write> y: array<Element>;
@group(0) @binding(6) var<storage, read_write> d_y: array<Element>;
@group(0) @binding(7) var<storage, read_write> d_x: array<Element>;
@group(0) @binding(8) var<storage, read_write> partial: array<Element>;
@group(0) @binding(9) var<storage, read_write> d_weights: array<Element>;

override accumulate: u32 = 0u;
override half: u32 = 0u;

fn active_rows() -> u32 {
    return active_windows() * params.count;
}

// Number of elements of `extent` from `first` on.
fn rest(extent: u32, first: u32) -> u32 {
    return extent - min(first, extent);
}

fn row_at(row: u32, width: u32) -> u32 {
    return min(row, active_rows() - 1u) * width;
}

fn forward_a0_at(row: u32) -> u32 { return params.a_base + row_at(row, params.inner); }
fn forward_a1_at(row: u32) -> u32 { return params.x_base + row_at(row, params.inner); }
fn forward_a0(at: u32, row: u32, k: u32) -> vec4<f32> { return a_quad(at + k, rest(params.inner, k)); }
fn forward_a1(at: u32, row: u32, k: u32) -> vec4<f32> { return x_quad(at + k, rest(params.inner, k)); }

fn forward_b0_at(column: u32) -> u32 { return params.weight_base + 2u * min(column, params.columns - 1u) * params.inner; }
fn forward_b1_at(column: u32) -> u32 { return forward_b0_at(column) + params.inner; }
fn forward_b0(at: u32, column: u32, k: u32) -> vec4<f32> { return weights_quad(at + k, rest(params.inner, k)); }
fn forward_b1(at: u32, column: u32, k: u32) -> vec4<f32> { return weights_quad(at + k, rest(params.inner, k)); }

fn forward_store(row: u32, column: u32, value: vec4<f32>) {
    if row >= active_rows() || column >= params.columns { return; }
    let present = rest(params.columns, column);
    set_y(params.y_base + row * params.columns + column, present, value + weights_quad(params.bias_base + column, present));
}

// gradient of a or x: rows x columns, columns x inner.
fn backward_a_at(row: u32) -> u32 { return params.d_y_base + row_at(row, params.columns); }
fn backward_a(at: u32, row: u32, m: u32) -> vec4<f32> { return d_y_quad(at + m, rest(params.columns, m)); }
fn backward_b_at(k: u32) -> u32 { return params.weight_base + half * params.inner + min(k, params.inner - 1u); }

fn backward_b(at: u32, k: u32, m: u32) -> vec4<f32> {
    return weights_quad(at + 2u * m * params.inner, select(0u, rest(params.inner, k), m < params.columns));
}

fn backward_store(row: u32, k: u32, value: vec4<f32>) {
    if row >= active_rows() || k >= params.inner { return; }
    put_d_x(params.d_x_base + row * params.inner + k, rest(params.inner, k), value);
}

// gradient of a half of W over one block of rows: columns x rows, rows x inner.
fn weight_a_at(m: u32) -> u32 { return params.d_y_base + min(m, params.columns - 1u); }
fn weight_a(at: u32, m: u32, row: u32) -> vec4<f32> { return d_y_quad(at + row * params.columns, rest(params.columns, m)); }

// Two neighbours of a row. With quads, the quad that holds them is loaded.
fn weight_a_pair(at: u32, m: u32, row: u32) -> vec2<f32> {
    if LANES == 1u { return d_y_quad(at + row * params.columns, min(rest(params.columns, m), 2u)).xy; }
    let quad = d_y_quad(at + row * params.columns, 4u);
    return select(quad.xy, quad.zw, (m & 2u) != 0u);
}

fn weight_b_at(k: u32) -> u32 { return params.x_base + min(k, params.inner - 1u); }
fn weight_b(at: u32, k: u32, row: u32) -> vec4<f32> { return x_quad(at + row * params.inner, rest(params.inner, k)); }

fn partial_len() -> u32 {
    return params.columns * (params.inner + 1u);
}

fn weight_store(slot: u32, m: u32, k: u32, value: vec4<f32>) {
    if m >= params.columns || k >= params.inner { return; }
    set_partial(params.partial_base + slot * partial_len() + m * params.inner + k, rest(params.inner, k), value);
}

fn bias_store(slot: u32, m: u32, value: vec4<f32>) {
    if m >= params.columns { return; }
    set_partial(params.partial_base + slot * partial_len() + params.columns * params.inner + m, rest(params.columns, m), value);
}

fn bias_store_pair(slot: u32, m: u32, value: vec2<f32>) {
    if m >= params.columns { return; }
    let at = params.partial_base + slot * partial_len() + params.columns * params.inner + m;
    set_partial_pair(at, rest(params.columns, m), value);
}

// Adds the partial sums of the group to the gradients, left to right. One invocation per element (quad).
@compute @workgroup_size(64)
fn concat_linear_fold(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group.x * 64u + lane;
    let n = partial_len() / LANES;
    let blocks = active_windows() * params.blocks;
    if i >= n || params.first >= blocks { return; }
    let present = min(params.group, blocks - params.first);
    let inner = params.inner / LANES;
    let matrix = params.columns * inner;
    var at = params.d_weight_base / LANES + (i / inner) * 2u * inner + half * inner + i % inner;
    if i >= matrix {
        // Both halves have the sums of the bias; they are added only once.
        if half == 1u { return; }
        at = params.d_bias_base / LANES + i - matrix;
    }
    var total = d_weights[at];
    for (var b = 0u; b < present; b++) {
        total += partial[params.partial_base / LANES + b * n + i];
    }
    d_weights[at] = total;
}
