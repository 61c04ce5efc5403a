// y = u tanh(v), (u, v) = the two halves of a row;  d_u = d_y tanh(v);  d_v = d_y u (1 - tanh(v)^2)
// v is clamped to +-15, because tanh may overflow beyond. Grid: one invocation per product. y is overwritten, d_pair unless accumulate_pair
// is set.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,            // products per window
    width: u32,            // P
    accumulate_pair: u32,
    pair_base: u32,
    y_base: u32,
    d_y_base: u32,
    d_pair_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> pair: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> d_y: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_pair: array<f32>;

// First factor of a product, within the tensor.
fn factor_at(item: u32) -> u32 {
    return (item / params.width) * 2u * params.width + item % params.width;
}

fn bounded_tanh(v: f32) -> f32 {
    return tanh(clamp(v, -15.0, 15.0));
}

@compute @workgroup_size(64)
fn tanh_gate_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let at = params.pair_base + factor_at(item);
    y[params.y_base + item] = pair[at] * bounded_tanh(pair[at + params.width]);
}

fn put(at: u32, d: f32) {
    if params.accumulate_pair != 0u { d_pair[at] += d; } else { d_pair[at] = d; }
}

@compute @workgroup_size(64)
fn tanh_gate_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let at = params.pair_base + factor_at(item);
    let t = bounded_tanh(pair[at + params.width]);
    let d = d_y[params.d_y_base + item];
    let to = params.d_pair_base + factor_at(item);
    put(to, d * t);
    put(to + params.width, d * pair[at] * (1.0 - t * t));
}
