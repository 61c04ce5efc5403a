// A range of steps and a range of nodes.
//   y[t, n] = x[step0 + t, node0 + n]; dx[t, n] = dy[t - step0, n - node0] inside the ranges, 0 outside
// Width is a multiple of 4. Forward: one invocation per four channels of y. Backward: one invocation per four channels of dx.
// y is overwritten; so is all of dx, unless the accumulate flag is set (then dx outside the ranges does not change).
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,        // invocations per window
    quads: u32,        // width / 4
    x_steps: u32,
    x_nodes: u32,
    step0: u32,
    steps: u32,
    node0: u32,
    nodes: u32,
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
fn select_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let i = item % params.quads;
    let row = item / params.quads;
    let n = row % params.nodes;
    let t = (row / params.nodes) % params.steps;
    let window = row / (params.nodes * params.steps);
    let start = (window * params.x_steps + params.step0 + t) * params.x_nodes + params.node0 + n;
    y[params.y_base / 4u + item] = x[params.x_base / 4u + start * params.quads + i];
}

@compute @workgroup_size(64)
fn select_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let i = item % params.quads;
    let row = item / params.quads;
    let n = row % params.x_nodes;
    let t = (row / params.x_nodes) % params.x_steps;
    let window = row / (params.x_nodes * params.x_steps);
    let at = params.d_x_base / 4u + item;
    if t >= params.step0 && t < params.step0 + params.steps && n >= params.node0 && n < params.node0 + params.nodes {
        let start = (window * params.steps + t - params.step0) * params.nodes + n - params.node0;
        let d = d_y[params.d_y_base / 4u + start * params.quads + i];
        if params.accumulate_x != 0u { d_x[at] += d; } else { d_x[at] = d; }
    } else if params.accumulate_x == 0u {
        d_x[at] = vec4<f32>(0.0);
    }
}
