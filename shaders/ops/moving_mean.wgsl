// stored += rate (mean - stored), in place, unless norm = (norm, clip factor, ok, loss) has ok = 0 (a bad step).
// Grid: one invocation per element.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,      // elements
    rate: f32,
    stored_base: u32,
    mean_base: u32,
    norm_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> stored: array<f32>;
@group(0) @binding(3) var<storage, read_write> mean: array<f32>;
@group(0) @binding(4) var<storage, read_write> norm: array<f32>;

@compute @workgroup_size(64)
fn moving_mean_update(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= active_windows() * params.count || norm[params.norm_base + 2u] == 0.0 { return; }
    let at = params.stored_base + i;
    let old = stored[at];
    stored[at] = old + params.rate * (mean[params.mean_base + i] - old);
}
