// Layer norm over the last axis, of x or of x + dropout(change).
//   z = summand(x, change);  m = mean z;  s = 1 / sqrt(var z + 1e-5);  y = gamma (z - m) s + beta
//   g = dy gamma;  dz = s (g - mean g - h mean(g h)) with h = (z - m) s;  dgamma = sum_rows dy h;  dbeta = sum_rows dy
// Width is a multiple of 4. Forward: one invocation per row. Backward: one workgroup per block of rows (a block never crosses the boundary
// of a window): first one row per invocation (dz), then one column group per invocation (partial sums over the rows of the block, in
// order).
// layer_norm_plain.wgsl or layer_norm_residual.wgsl defines `summand` and `add_to_gradients`.
// y, stats, dx, dchange, partial are overwritten unless an accumulate flag is set; fold adds to the gradients.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,        // rows per window
    width: u32,
    node: u32,
    threshold: u32,    // dropout: an element with smaller random bits is dropped
    keep_scale: f32,
    block_rows: u32,
    blocks: u32,       // blocks per window
    group: u32,        // blocks whose partial sums are in scratch at a time
    accumulate_x: u32,
    accumulate_change: u32,
    x_base: u32,
    change_base: u32,
    gamma_base: u32,
    beta_base: u32,
    y_base: u32,
    stats_base: u32,
    d_y_base: u32,
    d_x_base: u32,
    d_change_base: u32,
    partial_base: u32,
    d_gamma_base: u32,
    d_beta_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> stats: array<vec2<f32>>;
@group(0) @binding(7) var<storage, read_write> d_y: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> d_x: array<vec4<f32>>;
@group(0) @binding(9) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(11) var<storage, read_write> d_weights: array<vec4<f32>>;

const EPSILON: f32 = 1e-5;

@compute @workgroup_size(64)
fn layer_norm_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = (group.x + params.first) * 64u + lane;
    if row >= active_windows() * params.count { return; }
    let quads = params.width / 4u;
    var total = vec4<f32>(0.0);
    for (var i = 0u; i < quads; i++) {
        total += summand(row, i);
    }
    let mean = (total.x + total.y + total.z + total.w) / f32(params.width);
    var squares = vec4<f32>(0.0);
    for (var i = 0u; i < quads; i++) {
        let c = summand(row, i) - mean;
        squares += c * c;
    }
    let rstd = 1.0 / sqrt((squares.x + squares.y + squares.z + squares.w) / f32(params.width) + EPSILON);
    stats[params.stats_base / 2u + row] = vec2<f32>(mean, rstd);
    let out = params.y_base / 4u + row * quads;
    for (var i = 0u; i < quads; i++) {
        let gamma = weights[params.gamma_base / 4u + i];
        let beta = weights[params.beta_base / 4u + i];
        y[out + i] = gamma * (summand(row, i) - mean) * rstd + beta;
    }
}

@compute @workgroup_size(64)
fn layer_norm_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let block = group.x + params.first;
    if block >= active_windows() * params.blocks { return; }
    let in_window = (block % params.blocks) * params.block_rows;
    let first_row = (block / params.blocks) * params.count + in_window;
    let rows = min(params.block_rows, params.count - in_window);
    let quads = params.width / 4u;

    for (var r = lane; r < rows; r += 64u) {
        let row = first_row + r;
        let stat = stats[params.stats_base / 2u + row];
        var sum_g = vec4<f32>(0.0);
        var sum_gh = vec4<f32>(0.0);
        for (var i = 0u; i < quads; i++) {
            let g = d_y[params.d_y_base / 4u + row * quads + i] * weights[params.gamma_base / 4u + i];
            sum_g += g;
            sum_gh += g * (summand(row, i) - stat.x) * stat.y;
        }
        let mean_g = (sum_g.x + sum_g.y + sum_g.z + sum_g.w) / f32(params.width);
        let mean_gh = (sum_gh.x + sum_gh.y + sum_gh.z + sum_gh.w) / f32(params.width);
        for (var i = 0u; i < quads; i++) {
            let g = d_y[params.d_y_base / 4u + row * quads + i] * weights[params.gamma_base / 4u + i];
            let h = (summand(row, i) - stat.x) * stat.y;
            add_to_gradients(row, i, stat.y * (g - mean_g - h * mean_gh));
        }
    }
    for (var i = lane; i < quads; i += 64u) {
        var d_gamma = vec4<f32>(0.0);
        var d_beta = vec4<f32>(0.0);
        for (var r = 0u; r < rows; r++) {
            let row = first_row + r;
            let stat = stats[params.stats_base / 2u + row];
            let d = d_y[params.d_y_base / 4u + row * quads + i];
            d_gamma += d * (summand(row, i) - stat.x) * stat.y;
            d_beta += d;
        }
        let out = params.partial_base / 4u + group.x * 2u * quads;
        partial[out + i] = d_gamma;
        partial[out + quads + i] = d_beta;
    }
}

// Adds the partial sums of the group to the gradients, left to right. One invocation per column group of gamma or beta.
@compute @workgroup_size(64)
fn layer_norm_fold(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let quads = params.width / 4u;
    let i = group.x * 64u + lane;
    if i >= 2u * quads { return; }
    let blocks = active_windows() * params.blocks;
    if params.first >= blocks { return; }
    let present = min(params.group, blocks - params.first);
    var at = params.d_gamma_base / 4u + i;
    if i >= quads { at = params.d_beta_base / 4u + i - quads; }
    var total = d_weights[at];
    for (var b = 0u; b < present; b++) {
        total += partial[params.partial_base / 4u + b * 2u * quads + i];
    }
    d_weights[at] = total;
}
