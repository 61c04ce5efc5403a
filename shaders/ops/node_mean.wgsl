// y[n] += sum over windows, in order, of (sum over steps of x[t, n]) / (steps * windows of the batch).
// Width is a multiple of 4. Grid: one invocation per four channels of a node. y is an accumulator that is zeroed at the start of a step.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,      // quads per step
    n_steps: u32,
    share: f32,      // 1 / steps
    x_base: u32,
    y_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64)
fn node_mean_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= params.count { return; }
    let at = params.y_base / 4u + i;
    var total = y[at];
    for (var w = 0u; w < active_windows(); w++) {
        var sum = vec4<f32>();
        for (var t = 0u; t < params.n_steps; t++) {
            sum += x[params.x_base / 4u + (w * params.n_steps + t) * params.count + i];
        }
        total += sum * params.share * step.inverse_windows;
    }
    y[at] = total;
}
