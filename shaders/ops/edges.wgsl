// For each receiver the k largest of z = (logits + noise) / tau, tau = clamp(exp(log_temperature), 0.1, 10); the lowest index first among
// equals.
//   prob = softmax over those k;  dz = prob (dprob - prob . dprob);  dlogits[index] += dz / tau;  dlog_temperature -= sum dz z
// Runs once per step. Grid: `_choose` and `_backward`: one invocation per receiver; `_by_sender`: one per sender, and one for the end;
// `_backward_temperature`: one. Whole numbers are stored as floats. Outputs and terms are overwritten, gradients are added to.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,                   // invocations
    receivers: u32,
    senders: u32,
    k: u32,
    logits_base: u32,
    log_temperature_base: u32,
    noise_base: u32,
    prob_base: u32,
    index_base: u32,
    starts_base: u32,
    entries_base: u32,
    d_prob_base: u32,
    terms_base: u32,
    d_logits_base: u32,
    d_log_temperature_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> noise: array<f32>;
@group(0) @binding(4) var<storage, read_write> prob: array<f32>;
@group(0) @binding(5) var<storage, read_write> index: array<f32>;
@group(0) @binding(6) var<storage, read_write> starts: array<f32>;
@group(0) @binding(7) var<storage, read_write> entries: array<f32>;
@group(0) @binding(8) var<storage, read_write> d_prob: array<f32>;
@group(0) @binding(9) var<storage, read_write> terms: array<f32>;
@group(0) @binding(10) var<storage, read_write> d_weights: array<f32>;

fn temperature() -> f32 {
    return exp(weights[params.log_temperature_base]);
}

// logits + noise of a receiver and sender.
fn score(r: u32, s: u32) -> f32 {
    let at = r * params.senders + s;
    return weights[params.logits_base + at] + noise[params.noise_base + at];
}

@compute @workgroup_size(64)
fn edges_choose(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = (group.x + params.first) * 64u + lane;
    if r >= params.count { return; }
    let tau = clamp(temperature(), 0.1, 10.0);
    let to = r * params.k;
    var most = 0.0;
    var last = 0.0;
    var last_at = 0u;
    var sum = 0.0;
    for (var slot = 0u; slot < params.k; slot++) {
        // The best candidate after the last chosen one: its score is smaller, or equal with a higher index.
        var best = -3.0e38;
        var best_at = params.senders;
        for (var s = 0u; s < params.senders; s++) {
            let v = score(r, s);
            let free = slot == 0u || v < last || (v == last && s > last_at);
            if free && (best_at == params.senders || v > best) {
                best = v;
                best_at = s;
            }
        }
        if slot == 0u { most = best; }
        last = best;
        last_at = best_at;
        let e = exp((best - most) / tau);
        sum += e;
        prob[params.prob_base + to + slot] = e;
        // NaN scores have no order. Any sender is acceptable, because the step is bad anyway.
        index[params.index_base + to + slot] = f32(min(best_at, params.senders - 1u));
    }
    for (var slot = 0u; slot < params.k; slot++) {
        prob[params.prob_base + to + slot] /= sum;
    }
}

@compute @workgroup_size(64)
fn edges_by_sender(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let s = (group.x + params.first) * 64u + lane;
    if s >= params.count { return; }
    let n = params.receivers * params.k;
    var start = 0u;
    for (var e = 0u; e < n; e++) {
        start += u32(u32(index[params.index_base + e]) < s);
    }
    starts[params.starts_base + s] = f32(start);
    var at = params.entries_base + start;
    for (var e = 0u; e < n; e++) {
        if u32(index[params.index_base + e]) == s {
            entries[at] = f32(e);
            at += 1u;
        }
    }
}

@compute @workgroup_size(64)
fn edges_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let r = (group.x + params.first) * 64u + lane;
    if r >= params.count { return; }
    let tau = clamp(temperature(), 0.1, 10.0);
    let at = r * params.k;
    var mean = 0.0;
    for (var slot = 0u; slot < params.k; slot++) {
        mean += prob[params.prob_base + at + slot] * d_prob[params.d_prob_base + at + slot];
    }
    // dz sums to 0 over a row, so z can be measured relative to its maximum.
    let most = score(r, u32(index[params.index_base + at]));
    var term = 0.0;
    for (var slot = 0u; slot < params.k; slot++) {
        let s = u32(index[params.index_base + at + slot]);
        let d_z = prob[params.prob_base + at + slot] * (d_prob[params.d_prob_base + at + slot] - mean);
        d_weights[params.d_logits_base + r * params.senders + s] += d_z / tau;
        term += d_z * (score(r, s) - most) / tau;
    }
    terms[params.terms_base + r] = term;
}

@compute @workgroup_size(64)
fn edges_backward_temperature(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= active_windows() * params.count { return; }
    let tau = temperature();
    if tau < 0.1 || tau > 10.0 { return; }
    var total = 0.0;
    for (var r = 0u; r < params.receivers; r++) {
        total += terms[params.terms_base + r];
    }
    d_weights[params.d_log_temperature_base] -= total;
}
