// A = softmax over senders j of relu(s_ij), s = receive send^T, send = sender + memory W_s^T, receive = receiver + memory W_r^T.
//   ds_ij = A_ij (dA_ij - sum_j A_ij dA_ij) [s_ij > 0];  dreceive = ds send;  dsend = ds^T receive;  dW = dfactor^T memory
// factors: send [N, rank], then receive. Rows of A are padded with zeros to a multiple of 4. Runs once per step.
// Grid: `_rows`: one workgroup per receiver; `_factors`, `_weights`: one invocation per element. The saved factors, A and scratch are
// overwritten; gradients are added to.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,        // workgroups or invocations
    n_nodes: u32,
    padded: u32,       // elements per row of A
    rank: u32,
    width: u32,        // of the memory
    sender_base: u32,
    receiver_base: u32,
    sender_weight_base: u32,
    receiver_weight_base: u32,
    memory_base: u32,
    factors_base: u32,
    y_base: u32,
    d_y_base: u32,
    d_scores_base: u32,
    d_factors_base: u32,
    d_sender_base: u32,
    d_receiver_base: u32,
    d_sender_weight_base: u32,
    d_receiver_weight_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> factors: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_y: array<f32>;
@group(0) @binding(6) var<storage, read_write> d_scores: array<f32>;
@group(0) @binding(7) var<storage, read_write> d_factors: array<f32>;
@group(0) @binding(8) var<storage, read_write> d_weights: array<f32>;

var<workgroup> shared_values: array<f32, 64>;

fn workgroup_sum(lane: u32, mine: f32) -> f32 {
    shared_values[lane] = mine;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half >>= 1u) {
        if lane < half { shared_values[lane] += shared_values[lane + half]; }
        workgroupBarrier();
    }
    let total = shared_values[0];
    workgroupBarrier();
    return total;
}

fn workgroup_max(lane: u32, mine: f32) -> f32 {
    shared_values[lane] = mine;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half >>= 1u) {
        if lane < half { shared_values[lane] = max(shared_values[lane], shared_values[lane + half]); }
        workgroupBarrier();
    }
    let most = shared_values[0];
    workgroupBarrier();
    return most;
}

// s_ij
fn score(i: u32, j: u32) -> f32 {
    let send = params.factors_base + j * params.rank;
    let receive = params.factors_base + (params.n_nodes + i) * params.rank;
    var total = 0.0;
    for (var q = 0u; q < params.rank; q++) {
        total += factors[receive + q] * factors[send + q];
    }
    return total;
}

@compute @workgroup_size(64)
fn adaptive_matrix_factors(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let e = (group.x + params.first) * 64u + lane;
    if e >= params.count { return; }
    let own = params.n_nodes * params.rank;
    let within = e % own;
    var node = params.sender_base;
    var weight = params.sender_weight_base;
    if e >= own {
        node = params.receiver_base;
        weight = params.receiver_weight_base;
    }
    var total = weights[node + within];
    for (var i = 0u; i < params.width; i++) {
        let m = weights[params.memory_base + (within / params.rank) * params.width + i];
        total += m * weights[weight + (within % params.rank) * params.width + i];
    }
    factors[params.factors_base + e] = total;
}

@compute @workgroup_size(64)
fn adaptive_matrix_rows(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group.x + params.first;
    if i >= active_windows() * params.count { return; }
    let at = params.y_base + i * params.padded;
    var most = 0.0;
    for (var j = lane; j < params.n_nodes; j += 64u) {
        let s = max(score(i, j), 0.0);
        y[at + j] = s;
        most = max(most, s);
    }
    most = workgroup_max(lane, most);
    var sum = 0.0;
    for (var j = lane; j < params.n_nodes; j += 64u) {
        let e = exp(y[at + j] - most);
        y[at + j] = e;
        sum += e;
    }
    sum = workgroup_sum(lane, sum);
    for (var j = lane; j < params.padded; j += 64u) {
        if j < params.n_nodes { y[at + j] /= sum; } else { y[at + j] = 0.0; }
    }
}

@compute @workgroup_size(64)
fn adaptive_matrix_backward_rows(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group.x + params.first;
    if i >= active_windows() * params.count { return; }
    let row = i * params.padded;
    var mean = 0.0;
    for (var j = lane; j < params.n_nodes; j += 64u) {
        mean += y[params.y_base + row + j] * d_y[params.d_y_base + row + j];
    }
    mean = workgroup_sum(lane, mean);
    for (var j = lane; j < params.n_nodes; j += 64u) {
        var d = y[params.y_base + row + j] * (d_y[params.d_y_base + row + j] - mean);
        if score(i, j) <= 0.0 { d = 0.0; }
        d_scores[params.d_scores_base + row + j] = d;
    }
}

@compute @workgroup_size(64)
fn adaptive_matrix_backward_factors(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let e = (group.x + params.first) * 64u + lane;
    if e >= params.count { return; }
    let own = params.n_nodes * params.rank;
    let within = e % own;
    let node = within / params.rank;
    let q = within % params.rank;
    // send: along a column of ds, with receive; receive: along a row, with send.
    var d_at = params.d_scores_base + node;
    var d_stride = params.padded;
    var other = params.factors_base + own + q;
    var to = params.d_sender_base + within;
    if e >= own {
        d_at = params.d_scores_base + node * params.padded;
        d_stride = 1u;
        other = params.factors_base + q;
        to = params.d_receiver_base + within;
    }
    var total = 0.0;
    for (var k = 0u; k < params.n_nodes; k++) {
        total += d_scores[d_at + k * d_stride] * factors[other + k * params.rank];
    }
    d_factors[params.d_factors_base + e] = total;
    d_weights[to] += total;
}

@compute @workgroup_size(64)
fn adaptive_matrix_backward_weights(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let e = (group.x + params.first) * 64u + lane;
    if e >= params.count { return; }
    let own = params.rank * params.width;
    let within = e % own;
    var origin = params.d_factors_base + within / params.width;
    var to = params.d_sender_weight_base + within;
    if e >= own {
        origin += params.n_nodes * params.rank;
        to = params.d_receiver_weight_base + within;
    }
    var total = 0.0;
    for (var n = 0u; n < params.n_nodes; n++) {
        total += d_factors[origin + n * params.rank] * weights[params.memory_base + n * params.width + within % params.width];
    }
    d_weights[to] += total;
}
