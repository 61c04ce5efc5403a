// Negative log-likelihood of each window's observed targets under a Gaussian mixture:
//   term_k = logit_k - z_k^2 / 2 - log_std_k - ln(2 pi) / 2, z_k = (y - mean_k) / std_k
//   nll = sum over observed of (lse_k logit_k - lse_k term_k)
//   with r = softmax(term), w = softmax(logit):  d_mean = -r z / std;  d_log_std = r (1 - z^2);  d_logit = w - r, times d_nll
// Log-sums are computed relative to the largest term. For an unobserved target both passes skip the computation: they add 0 and write 0.
// Grid: forward, one workgroup per window: each lane sums every 256th target in order, then a tree reduction follows, independent of the
// number of windows; backward, one invocation per target. nll is overwritten; d_mixture is overwritten unless accumulate_mixture is set.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,               // H Nt
    components: u32,          // K
    accumulate_mixture: u32,
    mixture_base: u32,
    truth_base: u32,
    observed_base: u32,
    nll_base: u32,
    d_nll_base: u32,
    d_mixture_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> mixture: array<f32>;
@group(0) @binding(3) var<storage, read_write> truth: array<f32>;
@group(0) @binding(4) var<storage, read_write> observed: array<f32>;
@group(0) @binding(5) var<storage, read_write> nll: array<f32>;
@group(0) @binding(6) var<storage, read_write> d_nll: array<f32>;
@group(0) @binding(7) var<storage, read_write> d_mixture: array<f32>;

const HALF_LOG_TWO_PI: f32 = 0.9189385332046727;
const LOWEST: f32 = -3.0e38;

var<workgroup> sums: array<f32, 256>;

// First element of the means of a target, within the tensor.
fn means_of(window: u32, i: u32) -> u32 {
    return (3u * window * params.count + i) * params.components;
}

fn score(at: u32, y: f32) -> f32 {
    return (y - mixture[params.mixture_base + at]) * exp(-mixture[params.mixture_base + at + params.count * params.components]);
}

fn logit(at: u32) -> f32 {
    return mixture[params.mixture_base + at + 2u * params.count * params.components];
}

fn term(at: u32, y: f32) -> f32 {
    let z = score(at, y);
    return logit(at) - 0.5 * z * z - mixture[params.mixture_base + at + params.count * params.components] - HALF_LOG_TWO_PI;
}

// Log-sums over the components of logits (x) and of terms (y).
fn log_sums(at: u32, y: f32) -> vec2<f32> {
    var most = vec2<f32>(LOWEST);
    for (var k = 0u; k < params.components; k++) {
        most = max(most, vec2<f32>(logit(at + k), term(at + k, y)));
    }
    var total = vec2<f32>(0.0);
    for (var k = 0u; k < params.components; k++) {
        total += exp(vec2<f32>(logit(at + k), term(at + k, y)) - most);
    }
    return most + log(total);
}

@compute @workgroup_size(256)
fn mixture_nll_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let window = group.x + params.first;
    if window >= active_windows() { return; }
    var total = 0.0;
    for (var i = lane; i < params.count; i += 256u) {
        let seen = observed[params.observed_base + window * params.count + i];
        if seen != 0.0 {
            let sums_of = log_sums(means_of(window, i), truth[params.truth_base + window * params.count + i]);
            total += (sums_of.x - sums_of.y) * seen;
        }
    }
    sums[lane] = total;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half >>= 1u) {
        if lane < half { sums[lane] += sums[lane + half]; }
        workgroupBarrier();
    }
    if lane == 0u { nll[params.nll_base + window] = sums[0]; }
}

fn put(at: u32, d: f32) {
    let to = params.d_mixture_base + at;
    if params.accumulate_mixture != 0u { d_mixture[to] += d; } else { d_mixture[to] = d; }
}

@compute @workgroup_size(64)
fn mixture_nll_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let window = item / params.count;
    let means = means_of(window, item % params.count);
    let apart = params.count * params.components;
    let seen = observed[params.observed_base + item];
    if seen == 0.0 {
        for (var k = 0u; k < params.components; k++) {
            put(means + k, 0.0);
            put(means + k + apart, 0.0);
            put(means + k + 2u * apart, 0.0);
        }
        return;
    }
    let y = truth[params.truth_base + item];
    let d = d_nll[params.d_nll_base + window] * seen;
    let sums_of = log_sums(means, y);
    for (var k = 0u; k < params.components; k++) {
        let z = score(means + k, y);
        let r = exp(term(means + k, y) - sums_of.y);
        put(means + k, -d * r * z * exp(-mixture[params.mixture_base + means + k + apart]));
        put(means + k + apart, d * r * (1.0 - z * z));
        put(means + k + 2u * apart, d * (exp(logit(means + k) - sums_of.x) - r));
    }
}
