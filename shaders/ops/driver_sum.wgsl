// sum[j]^r = sum_i edges[r, j, i] code[i]^r: codes of R pieces of m numbers travel along R signed graphs.
//   d_code[i]^r = sum_j edges[r, j, i] d_sum[j]^r;  d_edges[r, j, i] = sum over windows of d_sum[j]^r . code[i]^r
// Grid: forward and gradient of the code, one invocation per element; gradient of the edges, one invocation per edge, which adds the windows
// of the micro-batch in order. sum is overwritten, d_code unless accumulate_code is set; d_edges is added to.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,             // elements of sum, code or edges
    series: u32,            // Nx
    targets: u32,           // Nt
    width: u32,             // R m
    piece: u32,             // m
    accumulate_code: u32,
    code_base: u32,
    edges_base: u32,
    sum_base: u32,
    d_sum_base: u32,
    d_code_base: u32,
    d_edges_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> code: array<f32>;
@group(0) @binding(3) var<storage, read> edges: array<f32>;
@group(0) @binding(4) var<storage, read_write> sum: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_sum: array<f32>;
@group(0) @binding(6) var<storage, read_write> d_code: array<f32>;
@group(0) @binding(7) var<storage, read_write> d_edges: array<f32>;

@compute @workgroup_size(64)
fn driver_sum_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let k = item % params.width;
    let j = (item / params.width) % params.targets;
    let source = params.code_base + (item / params.count) * params.series * params.width + k;
    let edge = params.edges_base + ((k / params.piece) * params.targets + j) * params.series;
    var total = 0.0;
    for (var i = 0u; i < params.series; i++) {
        total += edges[edge + i] * code[source + i * params.width];
    }
    sum[params.sum_base + item] = total;
}

@compute @workgroup_size(64)
fn driver_sum_backward_code(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let k = item % params.width;
    let i = (item / params.width) % params.series;
    let source = params.d_sum_base + (item / params.count) * params.targets * params.width + k;
    let edge = params.edges_base + (k / params.piece) * params.targets * params.series + i;
    var total = 0.0;
    for (var j = 0u; j < params.targets; j++) {
        total += edges[edge + j * params.series] * d_sum[source + j * params.width];
    }
    let at = params.d_code_base + item;
    if params.accumulate_code != 0u { d_code[at] += total; } else { d_code[at] = total; }
}

@compute @workgroup_size(64)
fn driver_sum_backward_edges(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= params.count { return; }
    let i = item % params.series;
    let j = (item / params.series) % params.targets;
    let piece = (item / (params.series * params.targets)) * params.piece;
    let windows = active_windows();
    var total = d_edges[params.d_edges_base + item];
    for (var w = 0u; w < windows; w++) {
        let source = params.code_base + (w * params.series + i) * params.width + piece;
        let to = params.d_sum_base + (w * params.targets + j) * params.width + piece;
        var dot = 0.0;
        for (var k = 0u; k < params.piece; k++) {
            dot += code[source + k] * d_sum[to + k];
        }
        total += dot;
    }
    d_edges[params.d_edges_base + item] = total;
}
