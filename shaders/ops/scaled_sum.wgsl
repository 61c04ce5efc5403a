// y = a x + b r, r = dropout(relu(change)), where a and b are learned scalars.
//   dx = a dy;  dchange = b keep relu' dy;  da = sum dy x;  db = sum dy r
// Width is a multiple of 4. One invocation owns four elements. In `_sums` one workgroup owns a window: each lane adds every 256th group of
// four, then a tree reduction follows. `_fold`, one invocation, adds the windows in order to the gradients. The backward pass draws the
// same dropout again. y and sums are overwritten, dx and dchange unless an accumulate flag is set.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,           // invocations (in `_sums`, workgroups) per window
    quads_of_window: u32,
    node: u32,
    threshold: u32,       // dropout: an element with smaller random bits is dropped
    keep_scale: f32,
    accumulate_x: u32,
    accumulate_change: u32,
    x_base: u32,
    change_base: u32,
    a_base: u32,
    b_base: u32,
    y_base: u32,
    d_y_base: u32,
    d_x_base: u32,
    d_change_base: u32,
    sums_base: u32,
    d_a_base: u32,
    d_b_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> change: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> weights: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> d_y: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> d_x: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> d_change: array<vec4<f32>>;
@group(0) @binding(9) var<storage, read_write> sums: array<f32>;
@group(0) @binding(10) var<storage, read_write> d_weights: array<f32>;

var<workgroup> tree: array<vec2<f32>, 256>;

fn keep(item: u32) -> vec4<f32> {
    if params.threshold == 0u { return vec4<f32>(1.0); }
    let window = step.first_window + params.window0 + item / params.quads_of_window;
    let element = item % params.quads_of_window * 4u;
    var factors: vec4<f32>;
    factors.x = dropout_factor(random_bits(element, window, params.node, step.key0, step.key1), params.threshold, params.keep_scale);
    factors.y = dropout_factor(random_bits(element + 1u, window, params.node, step.key0, step.key1), params.threshold, params.keep_scale);
    factors.z = dropout_factor(random_bits(element + 2u, window, params.node, step.key0, step.key1), params.threshold, params.keep_scale);
    factors.w = dropout_factor(random_bits(element + 3u, window, params.node, step.key0, step.key1), params.threshold, params.keep_scale);
    return factors;
}

fn moved(item: u32) -> vec4<f32> {
    return keep(item) * max(change[params.change_base / 4u + item], vec4<f32>(0.0));
}

@compute @workgroup_size(64)
fn scaled_sum_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    y[params.y_base / 4u + item] = weights[params.a_base] * x[params.x_base / 4u + item] + weights[params.b_base] * moved(item);
}

@compute @workgroup_size(64)
fn scaled_sum_backward_x(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let d = weights[params.a_base] * d_y[params.d_y_base / 4u + item];
    let to = params.d_x_base / 4u + item;
    if params.accumulate_x != 0u { d_x[to] += d; } else { d_x[to] = d; }
}

@compute @workgroup_size(64)
fn scaled_sum_backward_change(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let passes = change[params.change_base / 4u + item] > vec4<f32>(0.0);
    let d = select(vec4<f32>(0.0), weights[params.b_base] * keep(item) * d_y[params.d_y_base / 4u + item], passes);
    let to = params.d_change_base / 4u + item;
    if params.accumulate_change != 0u { d_change[to] += d; } else { d_change[to] = d; }
}

@compute @workgroup_size(256)
fn scaled_sum_backward_sums(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let window = group.x + params.first;
    if window >= active_windows() { return; }
    var total = vec2<f32>(0.0);
    for (var i = lane; i < params.quads_of_window; i += 256u) {
        let item = window * params.quads_of_window + i;
        let d = d_y[params.d_y_base / 4u + item];
        total += vec2<f32>(dot(d, x[params.x_base / 4u + item]), dot(d, moved(item)));
    }
    tree[lane] = total;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half >>= 1u) {
        if lane < half { tree[lane] += tree[lane + half]; }
        workgroupBarrier();
    }
    if lane == 0u {
        sums[params.sums_base + 2u * window] = tree[0].x;
        sums[params.sums_base + 2u * window + 1u] = tree[0].y;
    }
}

@compute @workgroup_size(1)
fn scaled_sum_fold() {
    var total = vec2<f32>(d_weights[params.d_a_base], d_weights[params.d_b_base]);
    for (var w = 0u; w < active_windows(); w++) {
        total += vec2<f32>(sums[params.sums_base + 2u * w], sums[params.sums_base + 2u * w + 1u]);
    }
    d_weights[params.d_a_base] = total.x;
    d_weights[params.d_b_base] = total.y;
}
