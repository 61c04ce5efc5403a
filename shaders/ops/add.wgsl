// y = a + b;  d_a = d_b = d_y. Widths are multiples of 4.
// Grid: one invocation per four elements. y is overwritten; d_a and d_b are overwritten unless their accumulate flag is set.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,         // groups of four elements per window
    accumulate_a: u32,
    accumulate_b: u32,
    a_base: u32,
    b_base: u32,
    y_base: u32,
    d_y_base: u32,
    d_a_base: u32,
    d_b_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> a: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> b: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> d_y: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> d_a: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> d_b: array<vec4<f32>>;

fn put_a(i: u32, d: vec4<f32>) {
    let at = params.d_a_base / 4u + i;
    if params.accumulate_a != 0u { d_a[at] += d; } else { d_a[at] = d; }
}

fn put_b(i: u32, d: vec4<f32>) {
    let at = params.d_b_base / 4u + i;
    if params.accumulate_b != 0u { d_b[at] += d; } else { d_b[at] = d; }
}

@compute @workgroup_size(64)
fn add_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= active_windows() * params.count { return; }
    y[params.y_base / 4u + i] = a[params.a_base / 4u + i] + b[params.b_base / 4u + i];
}

@compute @workgroup_size(64)
fn add_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= active_windows() * params.count { return; }
    let d = d_y[params.d_y_base / 4u + i];
    put_a(i, d);
    put_b(i, d);
}

// For the case that only one of the two needs a gradient.
@compute @workgroup_size(64)
fn add_backward_a(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= active_windows() * params.count { return; }
    put_a(i, d_y[params.d_y_base / 4u + i]);
}

@compute @workgroup_size(64)
fn add_backward_b(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= active_windows() * params.count { return; }
    put_b(i, d_y[params.d_y_base / 4u + i]);
}
