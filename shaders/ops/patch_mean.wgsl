// y[t, c] = mean of x[t p .. (t + 1) p, c]. No backward pass: the op reads only data.
// Grid: one invocation per output element. y is overwritten.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,        // output elements per window, T C
    width: u32,        // C
    patch_len: u32,    // p
    x_base: u32,
    y_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn patch_mean_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= active_windows() * params.count { return; }
    // A window is a whole number of tokens, so the token index can continue over the windows.
    let at = params.x_base + (i / params.width) * params.patch_len * params.width + i % params.width;
    var total = 0.0;
    for (var s = 0u; s < params.patch_len; s++) {
        total += x[at + s * params.width];
    }
    y[params.y_base + i] = total / f32(params.patch_len);
}
