// Statistics of the gradient of each parameter tensor: sum of the squares of the finite elements, number of zeros, number of non-finite
// elements. The tests are on bits, because a compiler may assume that NaN does not occur. The padding between tensors is not counted. A sum
// above the largest f32 becomes the largest f32.
// Grid: grad_health_chunks, one invocation per chunk (at most 256 gradients of one tensor), in order; grad_health_tensors, one invocation
// per tensor, over its chunks in order. The order depends only on the sizes of the tensors. Outputs are overwritten.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,            // chunks or tensors
    gradients_base: u32,
    chunks_base: u32,
    tensors_base: u32,
    partial_base: u32,
    health_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> gradients: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> chunks: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read_write> tensors: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> health: array<vec4<f32>>;

// The unit of starts, in elements.
const UNIT: u32 = 64u;

// Adds (square, zeros, non-finite) of each present gradient of the four.
fn count_four(sum: vec4<f32>, bits: vec4<u32>, present: vec4<bool>) -> vec4<f32> {
    let bad = (bits & vec4<u32>(0x7f800000u)) == vec4<u32>(0x7f800000u);
    let zero = (bits & vec4<u32>(0x7fffffffu)) == vec4<u32>(0u);
    let g = bitcast<vec4<f32>>(select(bits, vec4<u32>(0u), bad | !present));
    let one = vec4<f32>(1.0);
    let zeros = select(vec4<f32>(0.0), one, zero & present);
    let wrong = select(vec4<f32>(0.0), one, bad & present);
    return sum + vec4<f32>(dot(g, g), dot(zeros, one), dot(wrong, one), 0.0);
}

@compute @workgroup_size(64)
fn grad_health_chunks(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let chunk = (group.x + params.first) * 64u + lane;
    if chunk >= active_windows() * params.count { return; }
    let place = chunks[params.chunks_base / 2u + chunk];
    let start = (params.gradients_base + u32(place.x) * UNIT) / 4u;
    let length = u32(place.y);
    var sum = vec4<f32>(0.0);
    for (var i = 0u; i < length; i += 4u) {
        let at = vec4<u32>(i) + vec4<u32>(0u, 1u, 2u, 3u);
        sum = count_four(sum, gradients[start + i / 4u], at < vec4<u32>(length));
    }
    partial[params.partial_base / 4u + chunk] = sum;
}

@compute @workgroup_size(64)
fn grad_health_tensors(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let tensor = (group.x + params.first) * 64u + lane;
    if tensor >= active_windows() * params.count { return; }
    let mine = tensors[params.tensors_base / 2u + tensor];
    let first = u32(mine.x);
    var sum = vec4<f32>(0.0);
    for (var c = first; c < first + u32(mine.y); c++) {
        sum += partial[params.partial_base / 4u + c];
    }
    if (bitcast<u32>(sum.x) & 0x7f800000u) == 0x7f800000u { sum.x = 3.4028234e38; }
    health[params.health_base / 4u + tensor] = sum;
}
