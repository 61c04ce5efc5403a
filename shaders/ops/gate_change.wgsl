// y = s (mixed - x), s = sigmoid(g).
//   d_g = d_y (mixed - x) s (1 - s);  d_mixed = d_y s;  d_x = -d_y s
// Widths are multiples of 4. Grid: one invocation per four elements. y is overwritten; gradients are overwritten unless their accumulate
// flag is set. The backward pass recomputes s.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,             // groups of four elements per window
    accumulate_g: u32,
    accumulate_mixed: u32,
    accumulate_x: u32,
    g_base: u32,
    mixed_base: u32,
    x_base: u32,
    y_base: u32,
    d_y_base: u32,
    d_g_base: u32,
    d_mixed_base: u32,
    d_x_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> g: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> mixed: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> d_y: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> d_g: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> d_mixed: array<vec4<f32>>;
@group(0) @binding(9) var<storage, read_write> d_x: array<vec4<f32>>;

// The argument of exp is never positive, so nothing overflows.
fn sigmoid(v: vec4<f32>) -> vec4<f32> {
    let e = exp(-abs(v));
    return select(e, vec4<f32>(1.0), v >= vec4<f32>(0.0)) / (1.0 + e);
}

fn sigmoid_slope(v: vec4<f32>) -> vec4<f32> {
    let e = exp(-abs(v));
    return e / ((1.0 + e) * (1.0 + e));
}

fn gate_at(i: u32) -> vec4<f32> {
    return g[params.g_base / 4u + i];
}

fn difference(i: u32) -> vec4<f32> {
    return mixed[params.mixed_base / 4u + i] - x[params.x_base / 4u + i];
}

fn put_g(i: u32, d: vec4<f32>) {
    let at = params.d_g_base / 4u + i;
    if params.accumulate_g != 0u { d_g[at] += d; } else { d_g[at] = d; }
}

fn put_mixed(i: u32, d: vec4<f32>) {
    let at = params.d_mixed_base / 4u + i;
    if params.accumulate_mixed != 0u { d_mixed[at] += d; } else { d_mixed[at] = d; }
}

fn put_x(i: u32, d: vec4<f32>) {
    let at = params.d_x_base / 4u + i;
    if params.accumulate_x != 0u { d_x[at] += d; } else { d_x[at] = d; }
}

@compute @workgroup_size(64)
fn gate_change_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= active_windows() * params.count { return; }
    y[params.y_base / 4u + i] = sigmoid(gate_at(i)) * difference(i);
}

@compute @workgroup_size(64)
fn gate_change_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= active_windows() * params.count { return; }
    let d = d_y[params.d_y_base / 4u + i];
    let gate = gate_at(i);
    let moved = d * sigmoid(gate);
    put_g(i, d * difference(i) * sigmoid_slope(gate));
    put_mixed(i, moved);
    put_x(i, -moved);
}

// For the case that not all three need a gradient: one kernel for each.
@compute @workgroup_size(64)
fn gate_change_backward_g(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= active_windows() * params.count { return; }
    put_g(i, d_y[params.d_y_base / 4u + i] * difference(i) * sigmoid_slope(gate_at(i)));
}

@compute @workgroup_size(64)
fn gate_change_backward_mixed(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= active_windows() * params.count { return; }
    put_mixed(i, d_y[params.d_y_base / 4u + i] * sigmoid(gate_at(i)));
}

@compute @workgroup_size(64)
fn gate_change_backward_x(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= active_windows() * params.count { return; }
    put_x(i, -d_y[params.d_y_base / 4u + i] * sigmoid(gate_at(i)));
}
