// Attention along edges. Edge e of receiver i comes from sender index[i, e]; per step and head:
//   s_e = scale q_i . k_e;  u_e = s_e + bias_e;  w_e = a_e + f sigmoid(s_e);  score_e = u_e w_e + log p_e   (not dynamic: score_e = u_e)
//   alpha = softmax of the receiver's scores;  y_i = sum_e alpha_e v_e
//   c_e = alpha_e (dy . v_e - sum_j alpha_j dy . v_j);  du = c w;  dw = c u;  ds = du + dw f sigmoid'(s)
//   dq_i = scale sum_e ds_e k_e;  dk_j = scale sum of ds q over the edges of sender j;  dv_j = sum of alpha dy over them
//   da_e = sum_t dw;  dlog p_e = sum_t c;  df = sum dw sigmoid(s)
// `terms` is [edges, 2, heads]: a, then log p. `edges` holds (s, alpha) per edge and head, `d_edges` (scale ds, du, dw, c).
// Edges of sender j: entries[starts[j] .. starts[j + 1]], each receiver * k + e; index, starts, entries are whole numbers stored as floats.
// The op puts Vector (vec4 or vec2) and LANES (floats per Vector) in front; the width of a head is parts * LANES.
// One invocation owns: a receiver and head of a step (forward, `_edges`), a Vector of dq, a Vector of dk and the same of dv (`_kv`), an
// edge and head (`_bias`; `_terms`: steps in order). In `_sums` one workgroup owns a window: each lane adds every 256th element, then a
// tree reduction follows. `_fold` adds the windows in order. y, edges, scratch are overwritten, gradients unless an accumulate flag is set;
// df is added to.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,        // invocations per window
    heads: u32,
    parts: u32,        // Vectors per head
    n_steps: u32,
    n_senders: u32,
    n_receivers: u32,
    k: u32,            // edges per receiver
    scale: f32,        // 1 / sqrt(width of a head)
    accumulate_q: u32,
    accumulate_kv: u32,
    accumulate_bias: u32,
    accumulate_terms: u32,
    q_base: u32,
    kv_base: u32,
    bias_base: u32,
    index_base: u32,
    starts_base: u32,
    entries_base: u32,
    terms_base: u32,
    weight_base: u32,
    y_base: u32,
    edges_base: u32,
    d_y_base: u32,
    d_edges_base: u32,
    d_q_base: u32,
    d_kv_base: u32,
    d_bias_base: u32,
    d_terms_base: u32,
    sums_base: u32,
    d_weight_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> q: array<Vector>;
@group(0) @binding(3) var<storage, read_write> kv: array<Vector>;
@group(0) @binding(4) var<storage, read_write> bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> index: array<f32>;
@group(0) @binding(6) var<storage, read_write> starts: array<f32>;
@group(0) @binding(7) var<storage, read_write> entries: array<f32>;
@group(0) @binding(8) var<storage, read_write> terms: array<f32>;
@group(0) @binding(9) var<storage, read> weights: array<f32>;
@group(0) @binding(10) var<storage, read_write> y: array<Vector>;
@group(0) @binding(11) var<storage, read_write> edges: array<vec2<f32>>;
@group(0) @binding(12) var<storage, read_write> d_y: array<Vector>;
@group(0) @binding(13) var<storage, read_write> d_edges: array<vec4<f32>>;
@group(0) @binding(14) var<storage, read_write> d_q: array<Vector>;
@group(0) @binding(15) var<storage, read_write> d_kv: array<Vector>;
@group(0) @binding(16) var<storage, read_write> d_bias: array<f32>;
@group(0) @binding(17) var<storage, read_write> d_terms: array<f32>;
@group(0) @binding(18) var<storage, read_write> sums: array<f32>;
@group(0) @binding(19) var<storage, read_write> d_weights: array<f32>;

var<workgroup> tree: array<f32, 256>;

// The argument of exp is never positive, so nothing overflows.
fn sigmoid(x: f32) -> f32 {
    let e = exp(-abs(x));
    return select(e, 1.0, x >= 0.0) / (1.0 + e);
}

fn sigmoid_slope(x: f32) -> f32 {
    let e = exp(-abs(x));
    return e / ((1.0 + e) * (1.0 + e));
}

// A receiver and head of a step. Indices are without base.
struct Place {
    t: u32,        // step, counted over all windows
    receiver: u32,
    head: u32,
    row: u32,      // index in q, y, dy, in Vectors
    edge: u32,     // index of the first edge in `edges` and bias; the next edge is `heads` later
}

fn place_of(item: u32) -> Place {
    var p: Place;
    p.head = item % params.heads;
    let row = item / params.heads;
    p.receiver = row % params.n_receivers;
    p.t = row / params.n_receivers;
    p.row = item * params.parts;
    p.edge = row * params.k * params.heads + p.head;
    return p;
}

// Index in Vectors, without base, of the key of an edge in kv; its value is `heads * parts` later.
fn key_at(p: Place, e: u32) -> u32 {
    let sender = p.t * params.n_senders + u32(index[params.index_base + p.receiver * params.k + e]);
    return (2u * sender * params.heads + p.head) * params.parts;
}

// Index, without base, of a in terms; log p is `heads` later.
fn term_at(p: Place, e: u32) -> u32 {
    let window = p.t / params.n_steps;
    return ((window * params.n_receivers + p.receiver) * params.k + e) * 2u * params.heads + p.head;
}

fn product(p: Place, e: u32) -> f32 {
    let key = params.kv_base / LANES + key_at(p, e);
    var sum = 0.0;
    for (var i = 0u; i < params.parts; i++) {
        sum += dot(q[params.q_base / LANES + p.row + i], kv[key + i]);
    }
    return params.scale * sum;
}

// Computes alpha and y from the scores, which are in `edges` beside s.
fn attend(p: Place, most: f32) {
    var total = 0.0;
    for (var e = 0u; e < params.k; e++) {
        total += exp(edges[params.edges_base / 2u + p.edge + e * params.heads].y - most);
    }
    for (var e = 0u; e < params.k; e++) {
        let at = params.edges_base / 2u + p.edge + e * params.heads;
        edges[at].y = exp(edges[at].y - most) / total;
    }
    for (var i = 0u; i < params.parts; i++) {
        var sum = Vector();
        for (var e = 0u; e < params.k; e++) {
            let value = params.kv_base / LANES + key_at(p, e) + params.heads * params.parts + i;
            sum += edges[params.edges_base / 2u + p.edge + e * params.heads].y * kv[value];
        }
        y[params.y_base / LANES + p.row + i] = sum;
    }
}

@compute @workgroup_size(64)
fn edge_attention_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let p = place_of(item);
    var most = -3.0e38;
    for (var e = 0u; e < params.k; e++) {
        let s = product(p, e);
        let score = s + bias[params.bias_base + p.edge + e * params.heads];
        edges[params.edges_base / 2u + p.edge + e * params.heads] = vec2<f32>(s, score);
        most = max(most, score);
    }
    attend(p, most);
}

@compute @workgroup_size(64)
fn edge_attention_forward_dynamic(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let p = place_of(item);
    let f = weights[params.weight_base];
    var most = -3.0e38;
    for (var e = 0u; e < params.k; e++) {
        let s = product(p, e);
        let term = params.terms_base + term_at(p, e);
        let w = terms[term] + f * sigmoid(s);
        let score = (s + bias[params.bias_base + p.edge + e * params.heads]) * w + terms[term + params.heads];
        edges[params.edges_base / 2u + p.edge + e * params.heads] = vec2<f32>(s, score);
        most = max(most, score);
    }
    attend(p, most);
}

// Writes dy . v to d_edges and returns its mean under alpha.
fn value_products(p: Place) -> f32 {
    var mean = 0.0;
    for (var e = 0u; e < params.k; e++) {
        let value = params.kv_base / LANES + key_at(p, e) + params.heads * params.parts;
        var sum = 0.0;
        for (var i = 0u; i < params.parts; i++) {
            sum += dot(d_y[params.d_y_base / LANES + p.row + i], kv[value + i]);
        }
        d_edges[params.d_edges_base / 4u + p.edge + e * params.heads].w = sum;
        mean += edges[params.edges_base / 2u + p.edge + e * params.heads].y * sum;
    }
    return mean;
}

@compute @workgroup_size(64)
fn edge_attention_backward_edges(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let p = place_of(item);
    let mean = value_products(p);
    for (var e = 0u; e < params.k; e++) {
        let at = params.d_edges_base / 4u + p.edge + e * params.heads;
        let c = edges[params.edges_base / 2u + p.edge + e * params.heads].y * (d_edges[at].w - mean);
        d_edges[at] = vec4<f32>(params.scale * c, c, 0.0, c);
    }
}

@compute @workgroup_size(64)
fn edge_attention_backward_edges_dynamic(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let p = place_of(item);
    let f = weights[params.weight_base];
    let mean = value_products(p);
    for (var e = 0u; e < params.k; e++) {
        let at = params.d_edges_base / 4u + p.edge + e * params.heads;
        let edge = edges[params.edges_base / 2u + p.edge + e * params.heads];
        let c = edge.y * (d_edges[at].w - mean);
        let d_w = c * (edge.x + bias[params.bias_base + p.edge + e * params.heads]);
        let d_u = c * (terms[params.terms_base + term_at(p, e)] + f * sigmoid(edge.x));
        d_edges[at] = vec4<f32>(params.scale * (d_u + d_w * f * sigmoid_slope(edge.x)), d_u, d_w, c);
    }
}

@compute @workgroup_size(64)
fn edge_attention_backward_q(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let p = place_of(item / params.parts);
    var sum = Vector();
    for (var e = 0u; e < params.k; e++) {
        let key = params.kv_base / LANES + key_at(p, e) + item % params.parts;
        sum += d_edges[params.d_edges_base / 4u + p.edge + e * params.heads].x * kv[key];
    }
    let to = params.d_q_base / LANES + item;
    if params.accumulate_q != 0u { d_q[to] += sum; } else { d_q[to] = sum; }
}

@compute @workgroup_size(64)
fn edge_attention_backward_kv(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let wide = params.heads * params.parts;
    let i = item % wide;
    let row = item / wide;
    let sender = row % params.n_senders;
    let t = row / params.n_senders; // of all windows
    let end = u32(starts[params.starts_base + sender + 1u]);
    var key = Vector();
    var value = Vector();
    for (var n = u32(starts[params.starts_base + sender]); n < end; n++) {
        let edge = u32(entries[params.entries_base + n]);
        let from_row = (t * params.n_receivers + edge / params.k) * wide + i;
        let at = (t * params.n_receivers * params.k + edge) * params.heads + i / params.parts;
        key += d_edges[params.d_edges_base / 4u + at].x * q[params.q_base / LANES + from_row];
        value += edges[params.edges_base / 2u + at].y * d_y[params.d_y_base / LANES + from_row];
    }
    let to = params.d_kv_base / LANES + 2u * row * wide + i;
    if params.accumulate_kv != 0u {
        d_kv[to] += key;
        d_kv[to + wide] += value;
    } else {
        d_kv[to] = key;
        d_kv[to + wide] = value;
    }
}

@compute @workgroup_size(64)
fn edge_attention_backward_bias(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let d = d_edges[params.d_edges_base / 4u + item].y;
    let to = params.d_bias_base + item;
    if params.accumulate_bias != 0u { d_bias[to] += d; } else { d_bias[to] = d; }
}

@compute @workgroup_size(64)
fn edge_attention_backward_terms(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let start = params.d_edges_base / 4u + item / params.count * params.n_steps * params.count + item % params.count;
    var sum = vec2<f32>(0.0);
    for (var t = 0u; t < params.n_steps; t++) {
        sum += d_edges[start + t * params.count].zw;
    }
    let to = params.d_terms_base + item / params.heads * 2u * params.heads + item % params.heads;
    if params.accumulate_terms != 0u {
        d_terms[to] += sum.x;
        d_terms[to + params.heads] += sum.y;
    } else {
        d_terms[to] = sum.x;
        d_terms[to + params.heads] = sum.y;
    }
}

@compute @workgroup_size(256)
fn edge_attention_backward_sums(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let window = group.x + params.first;
    if window >= active_windows() { return; }
    var sum = 0.0;
    for (var i = lane; i < params.count; i += 256u) {
        let at = window * params.count + i;
        sum += d_edges[params.d_edges_base / 4u + at].z * sigmoid(edges[params.edges_base / 2u + at].x);
    }
    tree[lane] = sum;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half >>= 1u) {
        if lane < half { tree[lane] += tree[lane + half]; }
        workgroupBarrier();
    }
    if lane == 0u { sums[params.sums_base + window] = tree[0]; }
}

@compute @workgroup_size(1)
fn edge_attention_fold() {
    var total = d_weights[params.d_weight_base];
    for (var w = 0u; w < active_windows(); w++) {
        total += sums[params.sums_base + w];
    }
    d_weights[params.d_weight_base] = total;
}
