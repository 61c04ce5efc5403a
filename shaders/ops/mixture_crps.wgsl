// CRPS of each window's observed targets under a Gaussian mixture, in closed form; w = softmax(logit), s = exp(log std):
//   A(d, s) = d erf(d / (s sqrt 2)) + s sqrt(2 / pi) exp(-d^2 / (2 s^2));  S_kl = sqrt(s_k^2 + s_l^2)
//   crps = sum over observed of sum_k w_k A(y - mean_k, s_k) - 1/2 sum_kl w_k w_l A(mean_k - mean_l, S_kl)
//   d_mean_k = -w_k (erf((y - mean_k) / (s_k sqrt 2)) + sum_l w_l erf((mean_k - mean_l) / (S_kl sqrt 2)))
//   d_log_std_k = 2 w_k (s_k phi((y - mean_k) / s_k) - sum_l w_l phi((mean_k - mean_l) / S_kl) s_k^2 / S_kl)
//   d_logit_k = w_k (g_k - sum_l w_l g_l), g_k = A(y - mean_k, s_k) - sum_l w_l A(mean_k - mean_l, S_kl), times d_crps
// erf is Abramowitz and Stegun 7.1.26 (absolute error 1.5e-7), odd by the sign of its argument, so that it is exactly 0 at 0.
// Grid: forward, one workgroup per window: each lane sums every 256th target in order, then a tree reduction follows, independent of the
// number of windows; backward, one invocation per target. crps is overwritten; d_mixture is overwritten unless accumulate_mixture is set.
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
    crps_base: u32,
    d_crps_base: u32,
    d_mixture_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> mixture: array<f32>;
@group(0) @binding(3) var<storage, read_write> truth: array<f32>;
@group(0) @binding(4) var<storage, read_write> observed: array<f32>;
@group(0) @binding(5) var<storage, read_write> crps: array<f32>;
@group(0) @binding(6) var<storage, read_write> d_crps: array<f32>;
@group(0) @binding(7) var<storage, read_write> d_mixture: array<f32>;

const LOWEST: f32 = -3.0e38;
const INVERSE_ROOT_TWO: f32 = 0.7071067811865476;
const DENSITY: f32 = 0.3989422804014327; // 1 / sqrt(2 pi)

var<workgroup> sums: array<f32, 256>;

// First element of the means of a target, within the tensor.
fn means_of(window: u32, i: u32) -> u32 {
    return (3u * window * params.count + i) * params.components;
}

fn apart() -> u32 { return params.count * params.components; }
fn mean(at: u32) -> f32 { return mixture[params.mixture_base + at]; }
fn deviation(at: u32) -> f32 { return exp(mixture[params.mixture_base + at + apart()]); }
fn logit(at: u32) -> f32 { return mixture[params.mixture_base + at + 2u * apart()]; }

// Largest logit, and the sum of exp(logit - largest).
fn weighing(at: u32) -> vec2<f32> {
    var most = LOWEST;
    for (var k = 0u; k < params.components; k++) { most = max(most, logit(at + k)); }
    var total = 0.0;
    for (var k = 0u; k < params.components; k++) { total += exp(logit(at + k) - most); }
    return vec2<f32>(most, total);
}

fn weight(at: u32, sizes: vec2<f32>) -> f32 {
    return exp(logit(at) - sizes.x) / sizes.y;
}

fn erf(x: f32) -> f32 {
    let a = abs(x);
    let t = 1.0 / (1.0 + 0.3275911 * a);
    let p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    return sign(x) * (1.0 - p * exp(-a * a));
}

// A(d, s), its derivative by d, and the normal density at d / s.
fn distance_of(d: f32, s: f32) -> vec3<f32> {
    let z = d / s;
    let e = erf(z * INVERSE_ROOT_TWO);
    let density = DENSITY * exp(-0.5 * z * z);
    return vec3<f32>(d * e + 2.0 * s * density, e, density);
}

fn joint(a: f32, b: f32) -> f32 {
    return sqrt(a * a + b * b);
}

@compute @workgroup_size(256)
fn mixture_crps_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let window = group.x + params.first;
    if window >= active_windows() { return; }
    var total = 0.0;
    for (var i = lane; i < params.count; i += 256u) {
        let seen = observed[params.observed_base + window * params.count + i];
        if seen == 0.0 { continue; }
        let at = means_of(window, i);
        let y = truth[params.truth_base + window * params.count + i];
        let sizes = weighing(at);
        var one = 0.0;
        for (var k = 0u; k < params.components; k++) {
            let m = mean(at + k);
            let s = deviation(at + k);
            var pairs = 0.0;
            for (var l = 0u; l < params.components; l++) {
                pairs += weight(at + l, sizes) * distance_of(m - mean(at + l), joint(s, deviation(at + l))).x;
            }
            one += weight(at + k, sizes) * (distance_of(y - m, s).x - 0.5 * pairs);
        }
        total += one * seen;
    }
    sums[lane] = total;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half >>= 1u) {
        if lane < half { sums[lane] += sums[lane + half]; }
        workgroupBarrier();
    }
    if lane == 0u { crps[params.crps_base + window] = sums[0]; }
}

fn put(at: u32, d: f32) {
    let to = params.d_mixture_base + at;
    if params.accumulate_mixture != 0u { d_mixture[to] += d; } else { d_mixture[to] = d; }
}

// Derivatives of a target's CRPS by mean, log std and weight of component k, each divided by the component's weight.
fn slopes(at: u32, k: u32, y: f32, sizes: vec2<f32>) -> vec3<f32> {
    let m = mean(at + k);
    let s = deviation(at + k);
    let own = distance_of(y - m, s);
    var by_mean = own.y;
    var by_std = s * own.z;
    var by_weight = own.x;
    for (var l = 0u; l < params.components; l++) {
        let w = weight(at + l, sizes);
        let both = joint(s, deviation(at + l));
        let pair = distance_of(m - mean(at + l), both);
        by_mean += w * pair.y;
        by_std -= w * pair.z * s * s / both;
        by_weight -= w * pair.x;
    }
    return vec3<f32>(-by_mean, 2.0 * by_std, by_weight);
}

@compute @workgroup_size(64)
fn mixture_crps_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let window = item / params.count;
    let at = means_of(window, item % params.count);
    let seen = observed[params.observed_base + item];
    if seen == 0.0 {
        for (var k = 0u; k < params.components; k++) {
            put(at + k, 0.0);
            put(at + k + apart(), 0.0);
            put(at + k + 2u * apart(), 0.0);
        }
        return;
    }
    let y = truth[params.truth_base + item];
    let d = d_crps[params.d_crps_base + window] * seen;
    let sizes = weighing(at);
    var centre = 0.0;
    for (var k = 0u; k < params.components; k++) {
        centre += weight(at + k, sizes) * slopes(at, k, y, sizes).z;
    }
    for (var k = 0u; k < params.components; k++) {
        let w = d * weight(at + k, sizes);
        let by = slopes(at, k, y, sizes);
        put(at + k, w * by.x);
        put(at + k + apart(), w * by.y);
        put(at + k + 2u * apart(), w * (by.z - centre));
    }
}
