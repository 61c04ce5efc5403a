// y[t, j, 2i] = sin(speed_j a[t, i]);  y[t, j, 2i + 1] = cos(speed_j a[t, i])
//   dspeed_j += sum over t, i of a[t, i] (cos dy[2i] - sin dy[2i + 1])
// Runs once per step. Grid: forward, one invocation per pair; backward, one workgroup per speed. y is overwritten, dspeed is added to.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,         // pairs, or speeds
    n_speeds: u32,
    n_steps: u32,
    half_width: u32,
    speed_base: u32,
    angles_base: u32,
    y_base: u32,
    d_y_base: u32,
    d_speed_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> speed: array<f32>;
@group(0) @binding(3) var<storage, read_write> angles: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> d_y: array<vec2<f32>>;
@group(0) @binding(6) var<storage, read_write> d_speed: array<f32>;

var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn sinusoids_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let e = (group.x + params.first) * 64u + lane;
    if e >= params.count { return; }
    let i = e % params.half_width;
    let j = (e / params.half_width) % params.n_speeds;
    let t = e / (params.half_width * params.n_speeds);
    y[params.y_base / 2u + e] = sin_cos(speed[params.speed_base + j] * angles[params.angles_base + t * params.half_width + i]);
}

@compute @workgroup_size(64)
fn sinusoids_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let j = group.x + params.first;
    if j >= active_windows() * params.count { return; }
    var total = 0.0;
    for (var e = lane; e < params.n_steps * params.half_width; e += 64u) {
        let at = ((e / params.half_width) * params.n_speeds + j) * params.half_width + e % params.half_width;
        let v = y[params.y_base / 2u + at];
        let d = d_y[params.d_y_base / 2u + at];
        total += angles[params.angles_base + e] * (v.y * d.x - v.x * d.y);
    }
    sums[lane] = total;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half >>= 1u) {
        if lane < half { sums[lane] += sums[lane + half]; }
        workgroupBarrier();
    }
    if lane == 0u { d_speed[params.d_speed_base + j] += sums[0]; }
}
