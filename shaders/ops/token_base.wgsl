// The part of every token that does not depend on the data.
//   y[t, n] = node[n] + kind[k(n)] + temporal[t] + adaptive[t, n] + graph[n];  k(n): 0 covariate, 1 target, 2 transition node
//   dnode[n] = sum_t dy[t, n];  dkind[k] = sum_{n of kind k} sum_t dy[t, n];  dtemporal[t] = sum_n dy[t, n];  dadaptive = dy
//   dgraph = dnode
// Runs once per step. Width is a multiple of 4. One invocation owns four channels: of a token (forward), of a node (`_nodes`), of a kind
// (`_kinds`, from the sums that `_nodes` wrote to scratch), of a step (`_temporal`). `_graph` adds the same sums to the gradient of the
// graph encoding. `adaptive` exists only if its flag is set.
// y and the scratch are overwritten, dtemporal unless its accumulate flag is set; gradients of parameters are always added to.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,        // invocations
    quads: u32,        // width / 4
    n_steps: u32,
    n_nodes: u32,
    n_covariates: u32,
    n_series: u32,     // covariates and targets
    adaptive: u32,
    accumulate_temporal: u32,
    node_base: u32,
    kind_base: u32,
    adaptive_base: u32,
    temporal_base: u32,
    graph_base: u32,
    y_base: u32,
    d_y_base: u32,
    sums_base: u32,
    d_node_base: u32,
    d_kind_base: u32,
    d_adaptive_base: u32,
    d_graph_base: u32,
    d_temporal_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> temporal: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> d_y: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> sums: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> d_weights: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> d_temporal: array<vec4<f32>>;
@group(0) @binding(9) var<storage, read_write> graph: array<vec4<f32>>;
@group(0) @binding(10) var<storage, read_write> d_graph: array<vec4<f32>>;

fn without_graph(item: u32) -> vec4<f32> {
    let i = item % params.quads;
    let n = (item / params.quads) % params.n_nodes;
    let t = item / (params.quads * params.n_nodes);
    let kind = u32(n >= params.n_covariates) + u32(n >= params.n_series);
    var total = weights[params.node_base / 4u + n * params.quads + i] + weights[params.kind_base / 4u + kind * params.quads + i];
    total += temporal[params.temporal_base / 4u + t * params.quads + i];
    if params.adaptive != 0u {
        total += weights[params.adaptive_base / 4u + item];
    }
    return total;
}

@compute @workgroup_size(64)
fn token_base_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= params.count { return; }
    y[params.y_base / 4u + item] = without_graph(item);
}

@compute @workgroup_size(64)
fn token_base_forward_graph(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= params.count { return; }
    y[params.y_base / 4u + item] = without_graph(item) + graph[params.graph_base / 4u + item % (params.n_nodes * params.quads)];
}

@compute @workgroup_size(64)
fn token_base_backward_nodes(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= params.count { return; }
    var total = vec4<f32>(0.0);
    for (var t = 0u; t < params.n_steps; t++) {
        let token = t * params.count + item;
        let d = d_y[params.d_y_base / 4u + token];
        total += d;
        if params.adaptive != 0u {
            d_weights[params.d_adaptive_base / 4u + token] += d;
        }
    }
    sums[params.sums_base / 4u + item] = total;
    d_weights[params.d_node_base / 4u + item] += total;
}

@compute @workgroup_size(64)
fn token_base_backward_graph(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= params.count { return; }
    d_graph[params.d_graph_base / 4u + item] += sums[params.sums_base / 4u + item];
}

@compute @workgroup_size(64)
fn token_base_backward_kinds(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= params.count { return; }
    let i = item % params.quads;
    let kind = item / params.quads;
    var start = 0u;
    var end = params.n_covariates;
    if kind == 1u {
        start = params.n_covariates;
        end = params.n_series;
    } else if kind == 2u {
        start = params.n_series;
        end = params.n_nodes;
    }
    var total = vec4<f32>(0.0);
    for (var n = start; n < end; n++) {
        total += sums[params.sums_base / 4u + n * params.quads + i];
    }
    d_weights[params.d_kind_base / 4u + item] += total;
}

@compute @workgroup_size(64)
fn token_base_backward_temporal(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= params.count { return; }
    let t = item / params.quads;
    let start = params.d_y_base / 4u + t * params.n_nodes * params.quads + item % params.quads;
    var total = vec4<f32>(0.0);
    for (var n = 0u; n < params.n_nodes; n++) {
        total += d_y[start + n * params.quads];
    }
    let at = params.d_temporal_base / 4u + item;
    if params.accumulate_temporal != 0u { d_temporal[at] += total; } else { d_temporal[at] = total; }
}
