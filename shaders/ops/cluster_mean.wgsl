// Tokens pooled over time and nodes.
//   y[s, g] = sum_{t in group s, n in cluster g} x[t, n] / (steps of s * nodes of g);  dx[t, n] = dy[s, g] / (steps of s * nodes of g)
// Group s holds the existing steps among s r .. (s + 1) r, r = group_steps. The nodes of cluster g are members[starts[g] .. starts[g + 1]].
// `cluster`, `starts`, `members` are whole numbers stored as floats. Width is a multiple of 4.
// Forward: one invocation per four channels of a pooled token, members in order. Backward: one invocation per four channels of a token.
// y is overwritten, d_x unless its accumulate flag is set.
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
    accumulate_x: u32,
    x_base: u32,
    cluster_base: u32,
    starts_base: u32,
    members_base: u32,
    y_base: u32,
    d_y_base: u32,
    d_x_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> cluster: array<f32>;
@group(0) @binding(4) var<storage, read_write> starts: array<f32>;
@group(0) @binding(5) var<storage, read_write> members: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> d_y: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> d_x: array<vec4<f32>>;

fn steps_of(s: u32) -> u32 {
    return min(params.group_steps, params.n_steps - s * params.group_steps);
}

@compute @workgroup_size(64)
fn cluster_mean_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let i = item % params.quads;
    let token = item / params.quads; // of all windows
    let g = token % params.n_clusters;
    let groups = (params.n_steps + params.group_steps - 1u) / params.group_steps;
    let s = (token / params.n_clusters) % groups;
    let window = token / (params.n_clusters * groups);
    let begin = u32(starts[params.starts_base + g]);
    let end = u32(starts[params.starts_base + g + 1u]);
    let steps = steps_of(s);
    var total = vec4<f32>(0.0);
    for (var t = 0u; t < steps; t++) {
        let row = (window * params.n_steps + s * params.group_steps + t) * params.n_nodes;
        for (var e = begin; e < end; e++) {
            total += x[params.x_base / 4u + (row + u32(members[params.members_base + e])) * params.quads + i];
        }
    }
    y[params.y_base / 4u + item] = total / f32(steps * max(end - begin, 1u));
}

@compute @workgroup_size(64)
fn cluster_mean_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let i = item % params.quads;
    let token = item / params.quads; // of all windows
    let g = u32(cluster[params.cluster_base + token % params.n_nodes]);
    let t = (token / params.n_nodes) % params.n_steps;
    let window = token / (params.n_nodes * params.n_steps);
    let s = t / params.group_steps;
    let groups = (params.n_steps + params.group_steps - 1u) / params.group_steps;
    let nodes = starts[params.starts_base + g + 1u] - starts[params.starts_base + g];
    let pooled = (window * groups + s) * params.n_clusters + g;
    let d = d_y[params.d_y_base / 4u + pooled * params.quads + i] / (f32(steps_of(s)) * nodes);
    let to = params.d_x_base / 4u + item;
    if params.accumulate_x != 0u { d_x[to] += d; } else { d_x[to] = d; }
}
