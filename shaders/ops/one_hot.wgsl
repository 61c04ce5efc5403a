// y[t, n, i V + v] = 1 where codes[t p + i, n, column] = v + 1, else 0. No backward pass: the op reads only data.
// Grid: one invocation per output element. y is overwritten.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,        // output elements per window, T N p V
    series: u32,       // N
    width: u32,        // Q, codes of a step and series
    column: u32,
    size: u32,         // V
    patch_len: u32,    // p
    x_base: u32,
    y_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn one_hot_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let e = (group.x + params.first) * 64u + lane;
    if e >= active_windows() * params.count { return; }
    let category = e % params.size;
    let place = e / params.size;
    let step = place % params.patch_len;
    let node = place / params.patch_len % params.series;
    // A window is a whole number of tokens, so the token index can continue over the windows.
    let token = place / (params.patch_len * params.series);
    let code = x[params.x_base + ((token * params.patch_len + step) * params.series + node) * params.width + params.column];
    y[params.y_base + e] = select(0.0, 1.0, code == f32(category + 1u));
}
