// Loss of the observed targets of a window under values v_q: loss = sum over observed of 1/Q sum_q l(y - v_q).
//   kind 0: e^2;  1: |e|;  2: e^2 / 2 up to delta, delta (|e| - delta / 2) beyond;  3: max(p e, (p - 1) e), p = levels[q]
//   dv = -l'(e) / Q, times dloss; 0 if the target is unobserved
// Grid: forward, one workgroup per window: each lane sums every 256th target in order, then a tree reduction follows; backward, one
// invocation per target.
// loss is overwritten, d_values unless its accumulate flag is set.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,             // H Nt
    n_values: u32,          // Q
    kind: u32,
    delta: f32,
    accumulate_values: u32,
    values_base: u32,
    truth_base: u32,
    observed_base: u32,
    levels_base: u32,
    loss_base: u32,
    d_loss_base: u32,
    d_values_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> values: array<f32>;
@group(0) @binding(3) var<storage, read_write> truth: array<f32>;
@group(0) @binding(4) var<storage, read_write> observed: array<f32>;
@group(0) @binding(5) var<storage, read_write> levels: array<f32>;
@group(0) @binding(6) var<storage, read_write> loss: array<f32>;
@group(0) @binding(7) var<storage, read_write> d_loss: array<f32>;
@group(0) @binding(8) var<storage, read_write> d_values: array<f32>;

var<workgroup> sums: array<f32, 256>;

// Loss (x) and slope (y) of an error.
fn score(e: f32, level: f32) -> vec2<f32> {
    switch params.kind {
        case 0u: { return vec2<f32>(e * e, 2.0 * e); }
        case 1u: { return vec2<f32>(abs(e), sign(e)); }
        case 2u: {
            if abs(e) <= params.delta { return vec2<f32>(0.5 * e * e, e); }
            return vec2<f32>(params.delta * (abs(e) - 0.5 * params.delta), params.delta * sign(e));
        }
        default: { return vec2<f32>(max(level * e, (level - 1.0) * e), select(level - 1.0, level, e > 0.0)); }
    }
}

fn score_of(item: u32, q: u32) -> vec2<f32> {
    let e = truth[params.truth_base + item] - values[params.values_base + item * params.n_values + q];
    return score(e, levels[params.levels_base + q]) * (observed[params.observed_base + item] / f32(params.n_values));
}

@compute @workgroup_size(256)
fn value_loss_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let window = group.x + params.first;
    if window >= active_windows() { return; }
    var total = 0.0;
    for (var i = lane; i < params.count; i += 256u) {
        let item = window * params.count + i;
        if observed[params.observed_base + item] != 0.0 {
            for (var q = 0u; q < params.n_values; q++) {
                total += score_of(item, q).x;
            }
        }
    }
    sums[lane] = total;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half >>= 1u) {
        if lane < half { sums[lane] += sums[lane + half]; }
        workgroupBarrier();
    }
    if lane == 0u { loss[params.loss_base + window] = sums[0]; }
}

@compute @workgroup_size(64)
fn value_loss_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let seen = observed[params.observed_base + item];
    for (var q = 0u; q < params.n_values; q++) {
        var d = 0.0;
        if seen != 0.0 { d = -score_of(item, q).y * d_loss[params.d_loss_base + item / params.count]; }
        let to = params.d_values_base + item * params.n_values + q;
        if params.accumulate_values != 0u { d_values[to] += d; } else { d_values[to] = d; }
    }
}
