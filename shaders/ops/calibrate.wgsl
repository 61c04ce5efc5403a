// A mixture whose spread is multiplied by exp(f) about its own mean; w = softmax(logit), centre = sum_k w_k mean_k:
//   mean'_k = centre + exp(f) (mean_k - centre);  log_std'_k = log_std_k + f;  logit' = logit
//   with D = sum_k d_mean'_k:  d_mean_k = exp(f) d_mean'_k + (1 - exp(f)) w_k D;  d_log_std = d_log_std'
//   d_logit_k = d_logit'_k + (1 - exp(f)) w_k (mean_k - centre) D
// Grid: one invocation per target and step. calibrated is overwritten, d_mixture unless accumulate_mixture is set.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,               // H Nt
    components: u32,          // K
    accumulate_mixture: u32,
    mixture_base: u32,
    factor_base: u32,
    calibrated_base: u32,
    d_calibrated_base: u32,
    d_mixture_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> mixture: array<f32>;
@group(0) @binding(3) var<storage, read> factor: array<f32>;
@group(0) @binding(4) var<storage, read_write> calibrated: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_calibrated: array<f32>;
@group(0) @binding(6) var<storage, read_write> d_mixture: array<f32>;

// First element of the means of a target and step, within the tensor.
fn means_of(item: u32) -> u32 {
    return (3u * (item / params.count) * params.count + item % params.count) * params.components;
}

fn apart() -> u32 {
    return params.count * params.components;
}

fn mean_at(at: u32) -> f32 { return mixture[params.mixture_base + at]; }
fn logit_at(at: u32) -> f32 { return mixture[params.mixture_base + at + 2u * apart()]; }

// Largest logit, sum of exp(logit - largest), and the centre.
fn centre_of(at: u32) -> vec3<f32> {
    var most = -3.0e38;
    for (var k = 0u; k < params.components; k++) { most = max(most, logit_at(at + k)); }
    var total = 0.0;
    var sum = 0.0;
    for (var k = 0u; k < params.components; k++) {
        let e = exp(logit_at(at + k) - most);
        total += e;
        sum += e * mean_at(at + k);
    }
    return vec3<f32>(most, total, sum / total);
}

@compute @workgroup_size(64)
fn calibrate_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let at = means_of(item);
    let f = factor[params.factor_base + item % params.count];
    let centre = centre_of(at).z;
    let to = params.calibrated_base + at;
    for (var k = 0u; k < params.components; k++) {
        // With f = 0 the mixture keeps its bits.
        calibrated[to + k] = select(centre + exp(f) * (mean_at(at + k) - centre), mean_at(at + k), f == 0.0);
        calibrated[to + k + apart()] = mixture[params.mixture_base + at + k + apart()] + f;
        calibrated[to + k + 2u * apart()] = logit_at(at + k);
    }
}

fn put(at: u32, d: f32) {
    let to = params.d_mixture_base + at;
    if params.accumulate_mixture != 0u { d_mixture[to] += d; } else { d_mixture[to] = d; }
}

@compute @workgroup_size(64)
fn calibrate_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let at = means_of(item);
    let grown = exp(factor[params.factor_base + item % params.count]);
    let centre = centre_of(at);
    let source = params.d_calibrated_base + at;
    var total = 0.0;
    for (var k = 0u; k < params.components; k++) { total += d_calibrated[source + k]; }
    for (var k = 0u; k < params.components; k++) {
        let w = exp(logit_at(at + k) - centre.x) / centre.y;
        put(at + k, grown * d_calibrated[source + k] + (1.0 - grown) * w * total);
        put(at + k + apart(), d_calibrated[source + k + apart()]);
        put(at + k + 2u * apart(), d_calibrated[source + k + 2u * apart()] + (1.0 - grown) * w * (mean_at(at + k) - centre.z) * total);
    }
}
