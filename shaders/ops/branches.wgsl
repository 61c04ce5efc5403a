// y = x + scale sum_k relu(z_k), z_k[t] = b_k + sum over taps of W_k,tap source[t + tap - taps_k / 2], 0 beyond the first and last step.
//   dz_k = scale dy [z_k > 0];  dsource = sum of W_k,tap^T dz_k, shifted back (+ dy where x is the source)
//   dW_k,tap = sum over rows of dz_k source^T;  db_k = sum over rows of dz_k
// A slice is one tap of one branch. A dispatch processes `slices` slices from slice0 on, all with the same source. Rows are tokens [step,
// node]: the next step is n_nodes rows later. weights: [slice][out][in], then [branch][out]. signs: one word per four channels of a token;
// bit 4 k + i is for channel i of branch k. Width is a multiple of 4.
// The generator (src/engine/ops/generator/matmul.rs) writes the tiled loops; src/engine/ops/branches.rs writes branch_of, steps_of and
// branch_ends.
// y, signs, partial are overwritten (later parts of a sum add to y and signs), dsource unless `accumulate` is set; fold adds, left to
// right.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,        // rows per window
    n_nodes: u32,
    width: u32,
    scale: f32,
    slice0: u32,
    slices: u32,
    branch0: u32,
    branches: u32,
    bias_at: u32,      // start of the biases in weights
    block_rows: u32,
    blocks: u32,       // blocks per window
    group: u32,        // blocks whose partial sums are in scratch at a time
    x_base: u32,
    source_base: u32,
    weights_base: u32,
    y_base: u32,
    signs_base: u32,
    d_y_base: u32,
    d_source_base: u32,
    partial_base: u32,
    d_weights_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> source: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> weights: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> signs: array<u32>;
@group(0) @binding(7) var<storage, read_write> d_y: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> d_source: array<vec4<f32>>;
@group(0) @binding(9) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(10) var<storage, read_write> d_weights: array<vec4<f32>>;

override accumulate: u32 = 0u;  // 1: what is stored by rows is added to the existing values
override first_part: u32 = 1u;  // 0: y and signs hold the previous parts
override residual: u32 = 0u;    // 1: x is the source, so dsource includes dy

var<private> slice: u32;

fn active_rows() -> u32 {
    return active_windows() * params.count;
}

fn quads() -> u32 {
    return params.width / 4u;
}

// First quad of the row that is `moved` rows later in the same window, and whether it exists.
fn shifted(row: u32, moved: i32) -> vec2<u32> {
    let r = min(row, active_rows() - 1u);
    let within = i32(r % params.count) + moved;
    let present = within >= 0 && within < i32(params.count);
    return vec2<u32>(u32(select(i32(r), i32(r) + moved, present)) * quads(), u32(present));
}

// forward: rows x in, in x out. Elements beyond the window are 0, even if the loaded value is NaN.
fn forward_a_at(row: u32) -> vec2<u32> {
    let at = shifted(row, steps_of(slice) * i32(params.n_nodes));
    return vec2<u32>(at.x, select(0u, 0xffffffffu, at.y != 0u));
}

fn forward_a(at: vec2<u32>, row: u32, i: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(bitcast<vec4<u32>>(source[params.source_base / 4u + at.x + i / 4u]) & vec4<u32>(at.y));
}

fn forward_b_at(o: u32) -> u32 {
    return params.weights_base / 4u + (slice * params.width + min(o, params.width - 1u)) * quads();
}

fn forward_b(at: u32, o: u32, i: u32) -> vec4<f32> {
    return weights[at + i / 4u];
}

fn branch_value(o: u32, sum: vec4<f32>) -> vec4<f32> {
    return sum + weights[(params.weights_base + params.bias_at) / 4u + branch_of(slice) * quads() + min(o / 4u, quads() - 1u)];
}

fn branch_bits(value: vec4<f32>) -> u32 {
    let bits = select(vec4<u32>(), vec4<u32>(1u, 2u, 4u, 8u), value > vec4<f32>());
    return (bits.x + bits.y + bits.z + bits.w) << (4u * branch_of(slice));
}

fn forward_store(row: u32, o: u32, total: vec4<f32>, word: u32) {
    if row >= active_rows() || o >= params.width { return; }
    let at = row * quads() + o / 4u;
    if first_part != 0u {
        y[params.y_base / 4u + at] = source[params.source_base / 4u + at] + params.scale * total;
        signs[params.signs_base + at] = word;
    } else {
        y[params.y_base / 4u + at] += params.scale * total;
        signs[params.signs_base + at] |= word;
    }
}

fn forward_base_store(row: u32, o: u32, total: vec4<f32>, word: u32) {
    if row >= active_rows() || o >= params.width { return; }
    let at = row * quads() + o / 4u;
    y[params.y_base / 4u + at] = x[params.x_base / 4u + at] + params.scale * total;
    signs[params.signs_base + at] = word;
}

// dy where the branch was above 0; `mask` is the lowest bit of the branch.
fn passed(at: u32, mask: u32) -> vec4<f32> {
    let bits = vec4<u32>(signs[params.signs_base + at]) & (vec4<u32>(1u, 2u, 4u, 8u) * mask);
    return select(vec4<f32>(), d_y[params.d_y_base / 4u + at], bits != vec4<u32>());
}

// gradient of the source: rows x out, out x in.
fn backward_a_at(row: u32) -> vec2<u32> {
    let at = shifted(row, -steps_of(slice) * i32(params.n_nodes));
    return vec2<u32>(at.x, at.y << (4u * branch_of(slice)));
}

fn backward_a(at: vec2<u32>, row: u32, o: u32) -> vec4<f32> {
    return passed(at.x + o / 4u, at.y);
}

fn backward_b_at(i: u32) -> u32 {
    return params.weights_base / 4u + slice * params.width * quads() + min(i, params.width - 1u) / 4u;
}

fn backward_b(at: u32, i: u32, o: u32) -> vec4<f32> {
    return weights[at + o * quads()];
}

fn backward_store(row: u32, i: u32, sum: vec4<f32>) {
    if row >= active_rows() || i >= params.width { return; }
    let at = row * quads() + i / 4u;
    var d = params.scale * sum;
    if residual != 0u { d += d_y[params.d_y_base / 4u + at]; }
    let to = params.d_source_base / 4u + at;
    if accumulate != 0u { d_source[to] += d; } else { d_source[to] = d; }
}

@compute @workgroup_size(64)
fn branches_backward_residual(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= active_rows() * quads() { return; }
    let d = d_y[params.d_y_base / 4u + i];
    let to = params.d_source_base / 4u + i;
    if accumulate != 0u { d_source[to] += d; } else { d_source[to] = d; }
}

// gradient of a slice over one block of rows: out x rows, rows x in.
fn weight_a_at(o: u32) -> vec2<u32> {
    return vec2<u32>(min(o, params.width - 1u) / 4u, 1u << (4u * branch_of(slice)));
}

fn weight_a(at: vec2<u32>, o: u32, row: u32) -> vec4<f32> {
    return passed(row * quads() + at.x, at.y);
}

fn weight_a_pair(at: vec2<u32>, o: u32, row: u32) -> vec2<f32> {
    let quad = passed(row * quads() + at.x, at.y);
    return select(quad.xy, quad.zw, (o & 2u) != 0u);
}

// The shift is part of the offset; a negative shift wraps around.
fn weight_b_at(i: u32) -> u32 {
    return params.source_base / 4u + u32(steps_of(slice) * i32(params.n_nodes * quads())) + min(i, params.width - 1u) / 4u;
}

fn weight_b(at: u32, i: u32, row: u32) -> vec4<f32> {
    return source[at + row * quads()];
}

fn partial_quads() -> u32 {
    return (params.slices * params.width + params.branches) * quads();
}

fn weight_store(slot: u32, o: u32, i: u32, value: vec4<f32>) {
    if o >= params.width || i >= params.width { return; }
    let at = params.partial_base / 4u + slot * partial_quads();
    partial[at + ((slice - params.slice0) * params.width + o) * quads() + i / 4u] = value;
}

// The middle tap sees every row, so its row sums are the gradient of the bias.
fn bias_at(slot: u32) -> u32 {
    return params.partial_base / 4u + slot * partial_quads() + (params.slices * params.width + branch_of(slice) - params.branch0) * quads();
}

fn bias_store(slot: u32, o: u32, value: vec4<f32>) {
    if o >= params.width || steps_of(slice) != 0 { return; }
    partial[bias_at(slot) + o / 4u] = value;
}

fn bias_store_pair(slot: u32, o: u32, value: vec2<f32>) {
    if o >= params.width || steps_of(slice) != 0 { return; }
    let at = bias_at(slot) + o / 4u;
    partial[at][o % 4u] = value.x;
    partial[at][o % 4u + 1u] = value.y;
}

// Adds the partial sums of the group to the gradients, left to right. One invocation per quad.
@compute @workgroup_size(64)
fn branches_fold(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group.x * 64u + lane;
    let n = partial_quads();
    if i >= n { return; }
    let blocks = active_windows() * params.blocks;
    if params.first >= blocks { return; }
    let present = min(params.group, blocks - params.first);
    let matrices = params.slices * params.width * quads();
    var at = params.d_weights_base / 4u + params.slice0 * params.width * quads() + i;
    if i >= matrices { at = (params.d_weights_base + params.bias_at) / 4u + params.branch0 * quads() + i - matrices; }
    var total = d_weights[at];
    for (var b = 0u; b < present; b++) {
        total += params.scale * partial[params.partial_base / 4u + b * n + i];
    }
    d_weights[at] = total;
}
