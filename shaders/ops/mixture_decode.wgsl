// The output of the decoder's head as a mixture in the units of the data, step = token * p + position:
//   mean = (head + highway[n, step]) scale + shift;  log_std = clamp(head, -7, 5) + ln scale;  logit = head
//   d_head = d_mean scale, d_log_std where -7 <= head <= 5, d_logit;  d_highway[n, step] = sum_k d_mean scale
// Grid: one invocation per (step, target, component) and its three numbers; for d_highway one per (target, step).
// mixture is overwritten; gradients are overwritten unless their accumulate flag is set.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,         // H Nt K, for d_highway Nt H
    steps: u32,         // H
    targets: u32,       // Nt
    components: u32,    // K
    patch_len: u32,     // p
    parts: u32,         // 3, or 1: only means (no log std, no logit)
    accumulate_head: u32,
    accumulate_highway: u32,
    head_base: u32,
    stats_base: u32,
    highway_base: u32,
    mixture_base: u32,
    d_mixture_base: u32,
    d_head_base: u32,
    d_highway_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> head: array<f32>;
@group(0) @binding(3) var<storage, read_write> stats: array<f32>;
@group(0) @binding(4) var<storage, read_write> highway: array<f32>;
@group(0) @binding(5) var<storage, read_write> mixture: array<f32>;
@group(0) @binding(6) var<storage, read_write> d_mixture: array<f32>;
@group(0) @binding(7) var<storage, read_write> d_head: array<f32>;
@group(0) @binding(8) var<storage, read_write> d_highway: array<f32>;

const LEAST: f32 = -7.0;
const MOST: f32 = 5.0;

// The indices of an item.
struct Place {
    window: u32,
    s: u32,        // step of the horizon
    node: u32,     // target
    head: u32,     // element of head that holds its mean; log std and logit follow p K apart
    mixture: u32,  // element of mixture that holds its mean; log std and logit follow H Nt K apart
}

fn place(item: u32) -> Place {
    var q: Place;
    q.window = item / params.count;
    let i = item % params.count;
    let k = i % params.components;
    q.node = (i / params.components) % params.targets;
    q.s = i / (params.components * params.targets);
    let token = q.s / params.patch_len;
    let position = q.s % params.patch_len;
    let row = token * params.targets + q.node;
    q.head = params.parts * (q.window * params.count + row * params.patch_len * params.components) + position * params.components + k;
    q.mixture = params.parts * q.window * params.count + i;
    return q;
}

fn decode(q: Place, added: f32) {
    let stat = params.stats_base + 2u * (q.window * params.targets + q.node);
    let apart = params.patch_len * params.components;
    let from_head = params.head_base + q.head;
    let to = params.mixture_base + q.mixture;
    mixture[to] = (head[from_head] + added) * stats[stat + 1u] + stats[stat];
    if params.parts == 1u { return; }
    // Comparisons instead of clamp(), which may replace NaN by a number.
    let raw = head[from_head + apart];
    let log_std = select(select(raw, MOST, raw > MOST), LEAST, raw < LEAST);
    mixture[to + params.count] = log_std + log(stats[stat + 1u]);
    mixture[to + 2u * params.count] = head[from_head + 2u * apart];
}

@compute @workgroup_size(64)
fn mixture_decode_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    decode(place(item), 0.0);
}

@compute @workgroup_size(64)
fn mixture_decode_forward_highway(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let q = place(item);
    decode(q, highway[params.highway_base + (q.window * params.targets + q.node) * params.steps + q.s]);
}

@compute @workgroup_size(64)
fn mixture_decode_backward_head(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let q = place(item);
    let apart = params.patch_len * params.components;
    let source = params.d_mixture_base + q.mixture;
    let d_mean = d_mixture[source] * stats[params.stats_base + 2u * (q.window * params.targets + q.node) + 1u];
    if params.parts == 1u {
        let at = params.d_head_base + q.head;
        if params.accumulate_head != 0u { d_head[at] += d_mean; } else { d_head[at] = d_mean; }
        return;
    }
    let raw = head[params.head_base + q.head + apart];
    let d_log_std = select(d_mixture[source + params.count], 0.0, raw < LEAST || raw > MOST);
    let d_logit = d_mixture[source + 2u * params.count];
    let to = params.d_head_base + q.head;
    if params.accumulate_head != 0u {
        d_head[to] += d_mean;
        d_head[to + apart] += d_log_std;
        d_head[to + 2u * apart] += d_logit;
    } else {
        d_head[to] = d_mean;
        d_head[to + apart] = d_log_std;
        d_head[to + 2u * apart] = d_logit;
    }
}

@compute @workgroup_size(64)
fn mixture_decode_backward_highway(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let row = item / params.steps;             // window * targets + node
    let node = row % params.targets;
    let s = item % params.steps;
    let means = params.steps * params.targets * params.components;
    let at = params.d_mixture_base + params.parts * (item / params.count) * means + (s * params.targets + node) * params.components;
    var total = 0.0;
    for (var k = 0u; k < params.components; k++) {
        total += d_mixture[at + k];
    }
    let d = total * stats[params.stats_base + 2u * row + 1u];
    let to = params.d_highway_base + item;
    if params.accumulate_highway != 0u { d_highway[to] += d; } else { d_highway[to] = d; }
}
