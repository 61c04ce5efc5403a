// Instance norm of channel 0 of the targets, and patches of [values, mask]. x = values * observed;
//   shift = mean, scale = sqrt(var + epsilon) of the observed history of each target (0 and 1 if nothing was observed, or if switched off)
//   x[s, target, 0] = (x - shift) / scale * observed
//   with `last`, shift is the last observed value instead
//   features[t, n] = [x of the patch, channel fastest; observed of the patch, in the same order]; history[target, s] = x[s, target, 0], s <
//   L
// No backward pass: the op reads only data. Every output is overwritten.
// Grid: statistics and history, one invocation per target; features, one invocation per value (and its mask).
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,        // statistics: targets; features: S Nx F
    steps: u32,        // S
    series: u32,       // Nx
    channels: u32,     // F
    past: u32,         // L
    covariates: u32,   // Nc
    patch_len: u32,    // p
    enabled: u32,
    last: u32,
    epsilon: f32,
    values_base: u32,
    observed_base: u32,
    features_base: u32,
    history_base: u32,
    stats_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> values: array<f32>;
@group(0) @binding(3) var<storage, read_write> observed: array<f32>;
@group(0) @binding(4) var<storage, read_write> features: array<f32>;
@group(0) @binding(5) var<storage, read_write> history: array<f32>;
@group(0) @binding(6) var<storage, read_write> stats: array<f32>;

@compute @workgroup_size(64)
fn instance_norm_stats(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let stride = params.series * params.channels;
    let at = (item / params.count) * params.steps * stride + (params.covariates + item % params.count) * params.channels;

    var shift = 0.0;
    var scale = 1.0;
    if params.enabled != 0u {
        var seen = 0.0;
        var total = 0.0;
        var newest = 0.0;
        for (var s = 0u; s < params.past; s++) {
            let o = observed[params.observed_base + at + s * stride];
            seen += o;
            let v = values[params.values_base + at + s * stride] * o;
            total += v;
            if o != 0.0 { newest = v; }
        }
        let n = max(seen, 1.0);
        let mean = total / n;
        shift = select(mean, newest, params.last != 0u);
        var squares = 0.0;
        for (var s = 0u; s < params.past; s++) {
            let o = observed[params.observed_base + at + s * stride];
            let c = (values[params.values_base + at + s * stride] * o - mean) * o;
            squares += c * c;
        }
        if seen > 0.0 { scale = sqrt(squares / n + params.epsilon); }
    }
    stats[params.stats_base + 2u * item] = shift;
    stats[params.stats_base + 2u * item + 1u] = scale;
    for (var s = 0u; s < params.past; s++) {
        let o = observed[params.observed_base + at + s * stride];
        let v = values[params.values_base + at + s * stride] * o;
        history[params.history_base + item * params.past + s] = (v - shift) / scale * o;
    }
}

@compute @workgroup_size(64)
fn instance_norm_features(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let window = item / params.count;
    let width = params.patch_len * params.channels;
    let row = (item % params.count) / width;    // token * series + node
    let j = item % width;                       // position * channels + channel: width divides count
    let node = row % params.series;
    let s = (row / params.series) * params.patch_len + j / params.channels;
    let channel = j % params.channels;
    let at = window * params.count + (s * params.series + node) * params.channels + channel;

    let o = observed[params.observed_base + at];
    var v = values[params.values_base + at] * o;
    if channel == 0u && node >= params.covariates {
        let targets = params.series - params.covariates;
        let stat = params.stats_base + 2u * (window * targets + node - params.covariates);
        v = (v - stats[stat]) / stats[stat + 1u] * o;
    }
    let out = params.features_base + 2u * window * params.count + 2u * row * width + j;
    features[out] = v;
    features[out + width] = o;
}
