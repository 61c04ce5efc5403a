// y[n] = mean over steps of x[t, n];  dx[t, n] = dy[n] / T
// Width is a multiple of 4. One invocation owns four channels, of a node (forward, steps in order) or of a token (backward).
// y is overwritten, d_x unless its accumulate flag is set.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,         // invocations per window
    n_steps: u32,
    quads_of_step: u32, // N width / 4
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
fn step_mean_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let start = params.x_base / 4u + item / params.count * params.n_steps * params.quads_of_step + item % params.count;
    var total = vec4<f32>(0.0);
    for (var t = 0u; t < params.n_steps; t++) {
        total += x[start + t * params.quads_of_step];
    }
    y[params.y_base / 4u + item] = total / f32(params.n_steps);
}

@compute @workgroup_size(64)
fn step_mean_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let from_base = params.d_y_base / 4u + item / params.count * params.quads_of_step;
    let d = d_y[from_base + item % params.quads_of_step] / f32(params.n_steps);
    let to = params.d_x_base / 4u + item;
    if params.accumulate_x != 0u { d_x[to] += d; } else { d_x[to] = d; }
}
