// average += (1 - e) (parameters - average), in place, e = min(most, (1 + k) / (ramp + k)), k = state.x good steps; what lies behind the
// trained elements is copied. If norm = (norm, clip factor, ok, loss) has ok = 0 (a bad step), nothing changes.
// Grid: one invocation per four elements.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,             // groups of four elements
    trained: u32,           // groups of four that are averaged
    least: f32,             // 1 - most
    ramp: f32,
    average_base: u32,
    parameters_base: u32,
    norm_base: u32,
    state_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> average: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> parameters: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> norm: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> state: array<vec4<f32>>;

@compute @workgroup_size(64)
fn moving_average_update(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= active_windows() * params.count || norm[params.norm_base / 4u].z == 0.0 { return; }
    let at = params.average_base / 4u + i;
    let p = parameters[params.parameters_base / 4u + i];
    if i >= params.trained {
        average[at] = p;
        return;
    }
    let k = state[params.state_base / 4u].x;
    let old = average[at];
    average[at] = old + max(params.least, (params.ramp - 1.0) / (params.ramp + k)) * (p - old);
}
