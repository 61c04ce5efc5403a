// y[l] = mean over the rows of line l of x;  d_x[row] = d_y[line of the row] / rows
// Width is a multiple of 4. Grid: one invocation per four channels of a line (forward), of a row (backward). y is overwritten, d_x unless
// its accumulate flag is set.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,         // invocations per window
    quads: u32,         // width / 4
    rows: u32,          // of a line
    share: f32,         // 1 / rows
    accumulate_x: u32,
    x_base: u32,
    y_base: u32,
    d_y_base: u32,
    d_x_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> d_y: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> d_x: array<vec4<f32>>;

@compute @workgroup_size(64)
fn row_mean_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= active_windows() * params.count { return; }
    let start = params.x_base / 4u + (i / params.quads) * params.rows * params.quads + i % params.quads;
    var total = vec4<f32>();
    for (var r = 0u; r < params.rows; r++) {
        total += x[start + r * params.quads];
    }
    y[params.y_base / 4u + i] = total * params.share;
}

@compute @workgroup_size(64)
fn row_mean_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= active_windows() * params.count { return; }
    let line = i / (params.rows * params.quads);
    let d = d_y[params.d_y_base / 4u + line * params.quads + i % params.quads] * params.share;
    let at = params.d_x_base / 4u + i;
    if params.accumulate_x != 0u { d_x[at] += d; } else { d_x[at] = d; }
}
