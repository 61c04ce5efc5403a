// y = softmax over the proposals that are present, 0 for the others;  d_x = y (d_y - y . d_y)
// Grid: one invocation per row of three. y is overwritten, d_x unless its accumulate flag is set.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,            // rows per window
    dynamic_graph: u32,    // whether the second proposal is present
    adaptive_graph: u32,   // whether the third proposal is present
    accumulate_x: u32,
    x_base: u32,
    y_base: u32,
    d_y_base: u32,
    d_x_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> d_y: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_x: array<f32>;

@compute @workgroup_size(64)
fn gate_softmax_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = (group.x + params.first) * 64u + lane;
    if row >= active_windows() * params.count { return; }
    let at = params.x_base + 3u * row;
    let v = vec3<f32>(x[at], x[at + 1u], x[at + 2u]);
    let present = vec3<bool>(true, params.dynamic_graph != 0u, params.adaptive_graph != 0u);
    let shown = select(vec3<f32>(v.x), v, present);
    let e = select(vec3<f32>(), exp(shown - max(shown.x, max(shown.y, shown.z))), present);
    let p = e / (e.x + e.y + e.z);
    let to = params.y_base + 3u * row;
    y[to] = p.x;
    y[to + 1u] = p.y;
    y[to + 2u] = p.z;
}

@compute @workgroup_size(64)
fn gate_softmax_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = (group.x + params.first) * 64u + lane;
    if row >= active_windows() * params.count { return; }
    var mean = 0.0;
    for (var k = 0u; k < 3u; k++) {
        mean += y[params.y_base + 3u * row + k] * d_y[params.d_y_base + 3u * row + k];
    }
    for (var k = 0u; k < 3u; k++) {
        let d = y[params.y_base + 3u * row + k] * (d_y[params.d_y_base + 3u * row + k] - mean);
        let at = params.d_x_base + 3u * row + k;
        if params.accumulate_x != 0u { d_x[at] += d; } else { d_x[at] = d; }
    }
}
