// y[t, i] = sum_j M[i, j] x[t, j], M = sum_k gate_k A_k of the window: prior, dynamic, adaptive. M is formed when it is loaded and never
// stored.
//   dx[t, j] = sum_i M[i, j] dy[t, i];  G[i, j] = sum over t, channels of dy[t, i] x[t, j]
//   dgate_k = sum_ij A_k[i, j] G[i, j];  dA_k = sum over windows of gate_k G
// Rows of A have `padded` elements, with zeros behind the nodes; width is a multiple of 4. A column of the product is a channel of a step.
// The generator (src/engine/ops/generator/matmul.rs) writes the tiled loops, src/engine/ops/propagate.rs writes `mixed` and `weighed`.
// y and partial are overwritten, dx and dgates unless their accumulate flags are set; fold adds to dA, window after window.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,            // tiles of rows per window
    n_steps: u32,
    n_nodes: u32,
    padded: u32,
    width: u32,
    gate_stride: u32,      // 3, or 0 if all windows have the same gates
    group: u32,            // windows whose G are in scratch at a time
    accumulate_x: u32,
    accumulate_gates: u32,
    x_base: u32,
    gates_base: u32,
    prior_base: u32,
    dynamic_base: u32,
    adaptive_base: u32,
    y_base: u32,
    d_y_base: u32,
    d_x_base: u32,
    partial_base: u32,
    d_matrix_base: u32,
    d_gates_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> gates: array<f32>;
@group(0) @binding(4) var<storage, read_write> prior: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> dynamic_graph: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> adaptive_graph: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> d_y: array<vec4<f32>>;
@group(0) @binding(9) var<storage, read_write> d_x: array<vec4<f32>>;
@group(0) @binding(10) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(11) var<storage, read_write> d_matrix: array<vec4<f32>>;
@group(0) @binding(12) var<storage, read_write> d_gates: array<f32>;

override component: u32 = 1u; // fold: 1 for the gate of the dynamic graph, 2 for that of the adaptive graph

var<private> window: u32;
var<private> gate: vec3<f32>;
var<private> slice: u32;

fn gates_of(w: u32) -> vec3<f32> {
    let at = params.gates_base + w * params.gate_stride;
    return vec3<f32>(gates[at], gates[at + 1u], gates[at + 2u]);
}

fn quads() -> u32 {
    return params.width / 4u;
}

// First quad of the channels of a column: node 0 of its step.
fn column_at(column: u32) -> u32 {
    let c = min(column, params.n_steps * params.width - 4u);
    return ((window * params.n_steps + c / params.width) * params.n_nodes) * quads() + (c % params.width) / 4u;
}

// forward: receivers x senders, senders x columns. The last loads of a row are multiplied by the zeros of A, so they may read any existing
// sender.
fn forward_a_at(i: u32) -> u32 {
    return min(i, params.n_nodes - 1u) * (params.padded / 4u);
}

fn forward_a(at: u32, i: u32, j: u32) -> vec4<f32> {
    return mixed(at + j / 4u);
}

fn forward_b_at(column: u32) -> u32 {
    return params.x_base / 4u + column_at(column);
}

fn forward_b(at: u32, column: u32, j: u32) -> vec4<f32> {
    return x[at + min(j, params.n_nodes - 1u) * quads()];
}

fn forward_store(i: u32, column: u32, value: vec4<f32>) {
    if i >= params.n_nodes || column >= params.n_steps * params.width { return; }
    y[params.y_base / 4u + column_at(column) + i * quads()] = value;
}

// gradient of x: senders x receivers, receivers x columns.
fn backward_a_at(j: u32) -> u32 {
    return min(j, params.padded - 1u) / 4u;
}

fn backward_a(at: u32, j: u32, i: u32) -> vec4<f32> {
    return mixed(i * (params.padded / 4u) + at);
}

fn backward_a_pair(at: u32, j: u32, i: u32) -> vec2<f32> {
    let quad = backward_a(at, j, i);
    return select(quad.xy, quad.zw, (j & 2u) != 0u);
}

fn backward_b_at(column: u32) -> u32 {
    return params.d_y_base / 4u + column_at(column);
}

fn backward_b(at: u32, column: u32, i: u32) -> vec4<f32> {
    return d_y[at + i * quads()];
}

fn backward_store(j: u32, column: u32, value: vec4<f32>) {
    if j >= params.n_nodes || column >= params.n_steps * params.width { return; }
    let at = params.d_x_base / 4u + column_at(column) + j * quads();
    if params.accumulate_x != 0u { d_x[at] += value; } else { d_x[at] = value; }
}

// G of a window: receivers x channels, channels x senders, step after step.
fn token_at(node: u32) -> u32 {
    return ((window * params.n_steps + slice) * params.n_nodes + min(node, params.n_nodes - 1u)) * quads();
}

fn outer_a_at(i: u32) -> u32 {
    return params.d_y_base / 4u + token_at(i);
}

fn outer_a(at: u32, i: u32, c: u32) -> vec4<f32> {
    return d_y[at + c / 4u];
}

fn outer_b_at(j: u32) -> u32 {
    return params.x_base / 4u + token_at(j);
}

fn outer_b(at: u32, j: u32, c: u32) -> vec4<f32> {
    return x[at + c / 4u];
}

fn outer_store(slot: u32, i: u32, j: u32, value: vec4<f32>) {
    if i >= params.n_nodes || j >= params.padded { return; }
    let nodes = vec4<u32>(j, j + 1u, j + 2u, j + 3u);
    let at = params.partial_base / 4u + (slot * params.n_nodes + i) * (params.padded / 4u) + j / 4u;
    partial[at] = select(vec4<f32>(), value, nodes < vec4<u32>(params.n_nodes));
}

// dA += gate G, window after window. One invocation per quad.
@compute @workgroup_size(64)
fn propagate_fold(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let q = group.x * 64u + lane;
    let n = params.n_nodes * (params.padded / 4u);
    if q >= n || params.first >= active_windows() { return; }
    let present = min(params.group, active_windows() - params.first);
    let at = params.d_matrix_base / 4u + q;
    var total = d_matrix[at];
    for (var w = 0u; w < present; w++) {
        total += gates_of(params.first + w)[component] * partial[params.partial_base / 4u + w * n + q];
    }
    d_matrix[at] = total;
}
