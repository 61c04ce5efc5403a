// The global norm of the gradient, and whether the step is usable: norm = (|g|, min(1, clip / (|g| + 1e-6)), ok, loss).
// ok = 1 if all gradients, the loss and the sum of squares are finite (tested on bits, because a compiler may assume that NaN does not
// occur); otherwise ok, norm and factor are 0. clip = 0: no clipping.
// Grid: grad_norm_blocks, one workgroup per 4096 gradients (lane l adds l, l + 256, ..), then a tree reduction; grad_norm_total, one
// workgroup: lane l adds the blocks l, l + 256, .., then a tree reduction. The order depends only on the number of gradients. Outputs are
// overwritten.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,            // workgroups of the kernel
    length: u32,           // gradients
    blocks: u32,           // ceil(gradients / 4096)
    clip_norm: f32,
    gradients_base: u32,
    loss_base: u32,
    block_sums_base: u32,
    norm_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> gradients: array<u32>;
@group(0) @binding(3) var<storage, read_write> loss: array<u32>;
@group(0) @binding(4) var<storage, read_write> block_sums: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> norm: array<f32>;

const BLOCK: u32 = 4096u;

// Sum of squares; number of non-finite elements.
var<workgroup> sums: array<vec2<f32>, 256>;

fn not_finite(bits: u32) -> bool {
    return (bits & 0x7f800000u) == 0x7f800000u;
}

fn tree(lane: u32, mine: vec2<f32>) {
    sums[lane] = mine;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half >>= 1u) {
        if lane < half { sums[lane] += sums[lane + half]; }
        workgroupBarrier();
    }
}

@compute @workgroup_size(256)
fn grad_norm_blocks(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let block = group.x + params.first;
    if block >= active_windows() * params.count { return; }
    var squares = 0.0;
    var bad = 0.0;
    let end = min((block + 1u) * BLOCK, params.length);
    for (var i = block * BLOCK + lane; i < end; i += 256u) {
        let bits = gradients[params.gradients_base + i];
        if not_finite(bits) {
            bad += 1.0;
        } else {
            let g = bitcast<f32>(bits);
            squares += g * g;
        }
    }
    tree(lane, vec2<f32>(squares, bad));
    if lane == 0u { block_sums[params.block_sums_base / 2u + block] = sums[0]; }
}

@compute @workgroup_size(256)
fn grad_norm_total(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    if group.x + params.first >= active_windows() * params.count { return; }
    var mine = vec2<f32>(0.0);
    for (var b = lane; b < params.blocks; b += 256u) {
        mine += block_sums[params.block_sums_base / 2u + b];
    }
    tree(lane, mine);
    if lane != 0u { return; }
    let bits = loss[params.loss_base];
    let squares = sums[0].x;
    let ok = sums[0].y == 0.0 && !not_finite(bits) && !not_finite(bitcast<u32>(squares));
    var length = 0.0;
    var factor = 0.0;
    if ok {
        length = sqrt(squares);
        factor = 1.0;
        if params.clip_norm > 0.0 { factor = min(1.0, params.clip_norm / (length + 1e-6)); }
    }
    norm[params.norm_base] = length;
    norm[params.norm_base + 1u] = factor;
    norm[params.norm_base + 2u] = select(0.0, 1.0, ok);
    norm[params.norm_base + 3u] = bitcast<f32>(bits);
}
