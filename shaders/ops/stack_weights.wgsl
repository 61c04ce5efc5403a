// y = [branch][tap][out][in] matrices, then [branch][out] biases; one dispatch per branch. weight is [out, in, taps], bias [out].
// Runs once per step. Grid: one invocation per element of the branch. y is overwritten, gradients are added to.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,       // elements of the weight and bias of the branch
    width: u32,
    taps: u32,
    matrix_at: u32,   // start of the matrices of the branch, and of its bias, in y
    bias_at: u32,
    weight_base: u32,
    bias_base: u32,
    y_base: u32,
    d_y_base: u32,
    d_weight_base: u32,
    d_bias_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> d_y: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_weights: array<f32>;

// Index in [out, in, taps] of element e of [taps, out, in].
fn scattered(e: u32) -> u32 {
    let square = params.width * params.width;
    return (e % square) * params.taps + e / square;
}

@compute @workgroup_size(64)
fn stack_weights_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let e = (group.x + params.first) * 64u + lane;
    if e >= params.count { return; }
    let matrices = params.count - params.width;
    if e < matrices {
        y[params.y_base + params.matrix_at + e] = weights[params.weight_base + scattered(e)];
    } else {
        y[params.y_base + params.bias_at + e - matrices] = weights[params.bias_base + e - matrices];
    }
}

@compute @workgroup_size(64)
fn stack_weights_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let e = (group.x + params.first) * 64u + lane;
    if e >= params.count { return; }
    let matrices = params.count - params.width;
    if e < matrices {
        d_weights[params.d_weight_base + scattered(e)] += d_y[params.d_y_base + params.matrix_at + e];
    } else {
        d_weights[params.d_bias_base + e - matrices] += d_y[params.d_y_base + params.bias_at + e - matrices];
    }
}
