// y = sigmoid(g1) a + sigmoid(g2) b.
// The backward pass has one dispatch per pair (gate, value), because eight bindings are too few for both: d_gate = d_y value s (1 - s);
// d_value = d_y s.
// Widths are multiples of 4. Grid: one invocation per four elements. y is overwritten; gradients are overwritten unless their accumulate
// flag is set. The backward pass recomputes s.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,             // groups of four elements per window
    accumulate_gate: u32,
    accumulate_value: u32,
    g1_base: u32,
    a_base: u32,
    g2_base: u32,
    b_base: u32,
    y_base: u32,
    d_y_base: u32,
    gate_base: u32,         // g1 or g2
    value_base: u32,        // a or b
    d_gate_base: u32,
    d_value_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> g1: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> a: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> g2: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> b: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> d_y: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> gate: array<vec4<f32>>;
@group(0) @binding(9) var<storage, read_write> value: array<vec4<f32>>;
@group(0) @binding(10) var<storage, read_write> d_gate: array<vec4<f32>>;
@group(0) @binding(11) var<storage, read_write> d_value: array<vec4<f32>>;

// The argument of exp is never positive, so nothing overflows.
fn sigmoid(v: vec4<f32>) -> vec4<f32> {
    let e = exp(-abs(v));
    return select(e, vec4<f32>(1.0), v >= vec4<f32>(0.0)) / (1.0 + e);
}

fn sigmoid_slope(v: vec4<f32>) -> vec4<f32> {
    let e = exp(-abs(v));
    return e / ((1.0 + e) * (1.0 + e));
}

fn put_gate(i: u32, d: vec4<f32>) {
    let at = params.d_gate_base / 4u + i;
    if params.accumulate_gate != 0u { d_gate[at] += d; } else { d_gate[at] = d; }
}

fn put_value(i: u32, d: vec4<f32>) {
    let at = params.d_value_base / 4u + i;
    if params.accumulate_value != 0u { d_value[at] += d; } else { d_value[at] = d; }
}

@compute @workgroup_size(64)
fn gate_mix_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= active_windows() * params.count { return; }
    let left = sigmoid(g1[params.g1_base / 4u + i]) * a[params.a_base / 4u + i];
    y[params.y_base / 4u + i] = left + sigmoid(g2[params.g2_base / 4u + i]) * b[params.b_base / 4u + i];
}

@compute @workgroup_size(64)
fn gate_mix_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= active_windows() * params.count { return; }
    let d = d_y[params.d_y_base / 4u + i];
    let opening = gate[params.gate_base / 4u + i];
    put_gate(i, d * value[params.value_base / 4u + i] * sigmoid_slope(opening));
    put_value(i, d * sigmoid(opening));
}

// For the case that only one of the pair needs a gradient.
@compute @workgroup_size(64)
fn gate_mix_backward_gate(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= active_windows() * params.count { return; }
    put_gate(i, d_y[params.d_y_base / 4u + i] * value[params.value_base / 4u + i] * sigmoid_slope(gate[params.gate_base / 4u + i]));
}

@compute @workgroup_size(64)
fn gate_mix_backward_value(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= active_windows() * params.count { return; }
    put_value(i, d_y[params.d_y_base / 4u + i] * sigmoid(gate[params.gate_base / 4u + i]));
}
