// y = time u, u_i = sum_j W_ij space_j within each head. W is [head][out][in].
//   dtime = dy u;  du = dy time;  dspace_j = sum_i W_ij du_i;  dW_ij = sum_rows du_i space_j
// The generator (src/engine/ops/generator/matmul.rs) writes the tiled loops, with one head per workgroup. The backward pass recomputes u.
// src/engine/ops/generator/access.rs writes NAME_quad, put_NAME, set_NAME, Element and LANES.
// y and partial are overwritten, dtime and dspace unless `accumulate` is set; fold adds to the gradient, left to right.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,        // rows per window
    heads: u32,
    head_width: u32,
    block_rows: u32,
    blocks: u32,       // blocks per window
    group: u32,        // blocks whose partial sums are in scratch at a time
    time_base: u32,
    space_base: u32,
    weight_base: u32,
    y_base: u32,
    d_y_base: u32,
    d_time_base: u32,
    d_space_base: u32,
    partial_base: u32,
    d_weight_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> time: array<Element>;
@group(0) @binding(3) var<storage, read_write> space: array<Element>;
@group(0) @binding(4) var<storage, read> weights: array<Element>;
@group(0) @binding(5) var<storage, read_write> y: array<Element>;
@group(0) @binding(6) var<storage, read_write> d_y: array<Element>;
@group(0) @binding(7) var<storage, read_write> d_time: array<Element>;
@group(0) @binding(8) var<storage, read_write> d_space: array<Element>;
@group(0) @binding(9) var<storage, read_write> partial: array<Element>;
@group(0) @binding(10) var<storage, read_write> d_weights: array<Element>;

override accumulate: u32 = 0u;

var<private> head: u32;

fn active_rows() -> u32 {
    return active_windows() * params.count;
}

// Number of elements of `extent` from `first` on.
fn rest(extent: u32, first: u32) -> u32 {
    return extent - min(first, extent);
}

fn present(i: u32) -> u32 {
    return rest(params.head_width, i);
}

// First element of the head in a row.
fn head_at(row: u32) -> u32 {
    return (row * params.heads + head) * params.head_width;
}

fn last_row(row: u32) -> u32 {
    return min(row, active_rows() - 1u);
}

// u: rows x in, in x out.
fn forward_a_at(row: u32) -> u32 { return params.space_base + head_at(last_row(row)); }
fn forward_a(at: u32, row: u32, j: u32) -> vec4<f32> { return space_quad(at + j, present(j)); }

fn forward_b_at(i: u32) -> u32 {
    return params.weight_base + (head * params.head_width + min(i, params.head_width - 1u)) * params.head_width;
}

fn forward_b(at: u32, i: u32, j: u32) -> vec4<f32> { return weights_quad(at + j, present(j)); }

fn forward_store(row: u32, i: u32, u: vec4<f32>) {
    if row >= active_rows() || i >= params.head_width { return; }
    let at = head_at(row) + i;
    set_y(params.y_base + at, present(i), u * time_quad(params.time_base + at, present(i)));
}

fn time_store(row: u32, i: u32, u: vec4<f32>) {
    if row >= active_rows() || i >= params.head_width { return; }
    let at = head_at(row) + i;
    put_d_time(params.d_time_base + at, present(i), u * d_y_quad(params.d_y_base + at, present(i)));
}

// gradient of space: rows x out, out x in.
fn backward_a_at(row: u32) -> u32 { return head_at(last_row(row)); }

fn backward_a(at: u32, row: u32, i: u32) -> vec4<f32> {
    return d_y_quad(params.d_y_base + at + i, present(i)) * time_quad(params.time_base + at + i, present(i));
}

fn backward_b_at(j: u32) -> u32 {
    return params.weight_base + head * params.head_width * params.head_width + min(j, params.head_width - 1u);
}

fn backward_b(at: u32, j: u32, i: u32) -> vec4<f32> {
    return weights_quad(at + i * params.head_width, select(0u, present(j), i < params.head_width));
}

fn space_store(row: u32, j: u32, value: vec4<f32>) {
    if row >= active_rows() || j >= params.head_width { return; }
    put_d_space(params.d_space_base + head_at(row) + j, present(j), value);
}

// gradient of W over one block of rows: out x rows, rows x in.
fn weight_a_at(i: u32) -> u32 { return head * params.head_width + min(i, params.head_width - 1u); }

fn weight_a(at: u32, i: u32, row: u32) -> vec4<f32> {
    let e = row * params.heads * params.head_width + at;
    return d_y_quad(params.d_y_base + e, present(i)) * time_quad(params.time_base + e, present(i));
}

// Two neighbours of a row. With quads, the quad that holds them is loaded.
fn weight_a_pair(at: u32, i: u32, row: u32) -> vec2<f32> {
    let quad = weight_a(at, i, row);
    return select(quad.xy, quad.zw, LANES == 4u && (i & 2u) != 0u);
}

fn weight_b_at(j: u32) -> u32 { return params.space_base + head * params.head_width + min(j, params.head_width - 1u); }

fn weight_b(at: u32, j: u32, row: u32) -> vec4<f32> {
    return space_quad(at + row * params.heads * params.head_width, present(j));
}

fn partial_len() -> u32 {
    return params.heads * params.head_width * params.head_width;
}

fn weight_store(slot: u32, i: u32, j: u32, value: vec4<f32>) {
    if i >= params.head_width || j >= params.head_width { return; }
    let at = params.partial_base + slot * partial_len() + (head * params.head_width + i) * params.head_width + j;
    set_partial(at, present(j), value);
}

// Adds the partial sums of the group to the gradient, left to right. One invocation per element (quad).
@compute @workgroup_size(64)
fn interaction_fold(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group.x * 64u + lane;
    let n = partial_len() / LANES;
    let blocks = active_windows() * params.blocks;
    if i >= n || params.first >= blocks { return; }
    let present_blocks = min(params.group, blocks - params.first);
    let at = params.d_weight_base / LANES + i;
    var total = d_weights[at];
    for (var b = 0u; b < present_blocks; b++) {
        total += partial[params.partial_base / LANES + b * n + i];
    }
    d_weights[at] = total;
}
