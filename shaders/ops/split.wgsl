// a = x[.., ..first]; b = x[.., first..]; d_x consists of d_a and d_b.
// Grid: one invocation per four channels of x. a and b are overwritten, d_x unless its accumulate flag is set.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,         // quads of x per window
    quads: u32,         // width of x / 4
    first_quads: u32,   // width of a / 4
    accumulate_x: u32,
    x_base: u32,
    a_base: u32,
    b_base: u32,
    d_a_base: u32,
    d_b_base: u32,
    d_x_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> a: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> b: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> d_a: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> d_b: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> d_x: array<vec4<f32>>;

@compute @workgroup_size(64)
fn split_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= active_windows() * params.count { return; }
    let row = i / params.quads;
    let q = i % params.quads;
    let v = x[params.x_base / 4u + i];
    if q < params.first_quads {
        a[params.a_base / 4u + row * params.first_quads + q] = v;
    } else {
        b[params.b_base / 4u + row * (params.quads - params.first_quads) + q - params.first_quads] = v;
    }
}

@compute @workgroup_size(64)
fn split_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= active_windows() * params.count { return; }
    let row = i / params.quads;
    let q = i % params.quads;
    var d: vec4<f32>;
    if q < params.first_quads {
        d = d_a[params.d_a_base / 4u + row * params.first_quads + q];
    } else {
        d = d_b[params.d_b_base / 4u + row * (params.quads - params.first_quads) + q - params.first_quads];
    }
    let at = params.d_x_base / 4u + i;
    if params.accumulate_x != 0u { d_x[at] += d; } else { d_x[at] = d; }
}
