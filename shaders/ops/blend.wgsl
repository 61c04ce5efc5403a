// y = w0 a + w1 b, w = softmax(blend); da += w0 dy; db += w1 dy; dblend_0 += w0 w1 (dy . a - dy . b), dblend_1 -= the same term
// Runs once per step. Grid: one invocation per element; `_weights`: one workgroup. y is overwritten, gradients are added to.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,      // invocations or workgroups
    length: u32,     // elements
    blend_base: u32,
    a_base: u32,
    b_base: u32,
    y_base: u32,
    d_y_base: u32,
    d_part_base: u32,
    d_blend_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> a: array<f32>;
@group(0) @binding(4) var<storage, read_write> b: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;
@group(0) @binding(6) var<storage, read_write> d_y: array<f32>;
@group(0) @binding(7) var<storage, read_write> d_part: array<f32>;
@group(0) @binding(8) var<storage, read_write> d_weights: array<f32>;

var<workgroup> sums: array<f32, 64>;

fn shares() -> vec2<f32> {
    let v = vec2<f32>(weights[params.blend_base], weights[params.blend_base + 1u]);
    let e = exp(v - max(v.x, v.y));
    return e / (e.x + e.y);
}

@compute @workgroup_size(64)
fn blend_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= params.count { return; }
    let w = shares();
    y[params.y_base + i] = w.x * a[params.a_base + i] + w.y * b[params.b_base + i];
}

@compute @workgroup_size(64)
fn blend_backward_a(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= params.count { return; }
    d_part[params.d_part_base + i] += shares().x * d_y[params.d_y_base + i];
}

@compute @workgroup_size(64)
fn blend_backward_b(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= params.count { return; }
    d_part[params.d_part_base + i] += shares().y * d_y[params.d_y_base + i];
}

@compute @workgroup_size(64)
fn blend_backward_weights(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    if group.x + params.first >= active_windows() * params.count { return; }
    var total = 0.0;
    for (var i = lane; i < params.length; i += 64u) {
        total += d_y[params.d_y_base + i] * (a[params.a_base + i] - b[params.b_base + i]);
    }
    sums[lane] = total;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half >>= 1u) {
        if lane < half { sums[lane] += sums[lane + half]; }
        workgroupBarrier();
    }
    if lane != 0u { return; }
    let w = shares();
    let d = w.x * w.y * sums[0];
    d_weights[params.d_blend_base] += d;
    d_weights[params.d_blend_base + 1u] -= d;
}
