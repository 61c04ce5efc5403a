// Adds a branch of the hierarchy to every token. c(t, n) is the pooled token of step group floor(t / r) and cluster[n].
//   y[t, n] = base[t, n] + s v[c], s = sigmoid(gate[t, n] + pooled_gate[c])
//   dgate = dy v s (1 - s);  dpooled_gate[c] = sum over its tokens of dgate;  dv[c] = sum over its tokens of dy s;  dbase = dy
// `cluster`, `starts`, `members` are whole numbers stored as floats (cluster_mean.wgsl). Width is a multiple of 4. One invocation owns four
// channels: of a token, or of a pooled token (`_pooled`: steps, then members, in order).
// y is overwritten; gradients are overwritten unless their accumulate flag is set.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,        // invocations per window
    quads: u32,        // width / 4
    n_steps: u32,
    n_nodes: u32,
    n_clusters: u32,
    group_steps: u32,
    accumulate_gate: u32,
    accumulate_pooled_gate: u32,
    accumulate_v: u32,
    accumulate_base: u32,
    gate_base: u32,
    pooled_gate_base: u32,
    v_base: u32,
    cluster_base: u32,
    starts_base: u32,
    members_base: u32,
    base_base: u32,
    y_base: u32,
    d_y_base: u32,
    d_gate_base: u32,
    d_pooled_gate_base: u32,
    d_v_base: u32,
    d_base_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> gate: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> pooled_gate: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> v: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> cluster: array<f32>;
@group(0) @binding(6) var<storage, read_write> starts: array<f32>;
@group(0) @binding(7) var<storage, read_write> members: array<f32>;
@group(0) @binding(8) var<storage, read_write> base: array<vec4<f32>>;
@group(0) @binding(9) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(10) var<storage, read_write> d_y: array<vec4<f32>>;
@group(0) @binding(11) var<storage, read_write> d_gate: array<vec4<f32>>;
@group(0) @binding(12) var<storage, read_write> d_pooled_gate: array<vec4<f32>>;
@group(0) @binding(13) var<storage, read_write> d_v: array<vec4<f32>>;
@group(0) @binding(14) var<storage, read_write> d_base: array<vec4<f32>>;

// The argument of exp is never positive, so nothing overflows.
fn sigmoid(x: vec4<f32>) -> vec4<f32> {
    let e = exp(-abs(x));
    return select(e, vec4<f32>(1.0), x >= vec4<f32>(0.0)) / (1.0 + e);
}

fn sigmoid_slope(x: vec4<f32>) -> vec4<f32> {
    let e = exp(-abs(x));
    return e / ((1.0 + e) * (1.0 + e));
}

fn groups() -> u32 {
    return (params.n_steps + params.group_steps - 1u) / params.group_steps;
}

// Index, without a base, of the four pooled channels of an item.
fn pooled_of(item: u32) -> u32 {
    let token = item / params.quads; // of all windows
    let g = u32(cluster[params.cluster_base + token % params.n_nodes]);
    let t = token / params.n_nodes;
    let s = (t / params.n_steps) * groups() + (t % params.n_steps) / params.group_steps;
    return (s * params.n_clusters + g) * params.quads + item % params.quads;
}

fn opening(item: u32, c: u32) -> vec4<f32> {
    return gate[params.gate_base / 4u + item] + pooled_gate[params.pooled_gate_base / 4u + c];
}

fn branch(item: u32) -> vec4<f32> {
    let c = pooled_of(item);
    return sigmoid(opening(item, c)) * v[params.v_base / 4u + c];
}

@compute @workgroup_size(64)
fn cluster_gate_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    y[params.y_base / 4u + item] = branch(item);
}

@compute @workgroup_size(64)
fn cluster_gate_forward_base(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    y[params.y_base / 4u + item] = base[params.base_base / 4u + item] + branch(item);
}

@compute @workgroup_size(64)
fn cluster_gate_backward_gate(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let c = pooled_of(item);
    let d = d_y[params.d_y_base / 4u + item] * v[params.v_base / 4u + c] * sigmoid_slope(opening(item, c));
    let to = params.d_gate_base / 4u + item;
    if params.accumulate_gate != 0u { d_gate[to] += d; } else { d_gate[to] = d; }
}

@compute @workgroup_size(64)
fn cluster_gate_backward_pooled(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let c = (group.x + params.first) * 64u + lane;
    if c >= active_windows() * params.count { return; }
    let i = c % params.quads;
    let token = c / params.quads; // of all windows
    let g = token % params.n_clusters;
    let s = (token / params.n_clusters) % groups();
    let window = token / (params.n_clusters * groups());
    let begin = u32(starts[params.starts_base + g]);
    let end = u32(starts[params.starts_base + g + 1u]);
    let steps = min(params.group_steps, params.n_steps - s * params.group_steps);
    var total_gate = vec4<f32>(0.0);
    var total_v = vec4<f32>(0.0);
    for (var t = 0u; t < steps; t++) {
        let row = (window * params.n_steps + s * params.group_steps + t) * params.n_nodes;
        for (var e = begin; e < end; e++) {
            let item = (row + u32(members[params.members_base + e])) * params.quads + i;
            let d = d_y[params.d_y_base / 4u + item];
            let x = opening(item, c);
            total_gate += d * sigmoid_slope(x);
            total_v += d * sigmoid(x);
        }
    }
    total_gate *= v[params.v_base / 4u + c];
    let to_gate = params.d_pooled_gate_base / 4u + c;
    if params.accumulate_pooled_gate != 0u { d_pooled_gate[to_gate] += total_gate; } else { d_pooled_gate[to_gate] = total_gate; }
    let to_v = params.d_v_base / 4u + c;
    if params.accumulate_v != 0u { d_v[to_v] += total_v; } else { d_v[to_v] = total_v; }
}

@compute @workgroup_size(64)
fn cluster_gate_backward_base(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let d = d_y[params.d_y_base / 4u + item];
    let to = params.d_base_base / 4u + item;
    if params.accumulate_base != 0u { d_base[to] += d; } else { d_base[to] = d; }
}
