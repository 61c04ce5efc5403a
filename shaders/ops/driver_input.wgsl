// Rows of the driver highway: rows[n] = the values of series n over all steps, channel fastest. x = values * observed;
//   channel 0 of a target: (x - shift) / scale * observed
//   every other value: with `centred` (x - mean of its observed history) * observed, otherwise x
// No backward pass: the op reads only data. rows are overwritten. Grid: one invocation per (series, channel).
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,        // Nx F
    steps: u32,        // S
    series: u32,       // Nx
    channels: u32,     // F
    past: u32,         // L
    covariates: u32,   // Nc
    centred: u32,
    values_base: u32,
    observed_base: u32,
    stats_base: u32,
    rows_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> values: array<f32>;
@group(0) @binding(3) var<storage, read_write> observed: array<f32>;
@group(0) @binding(4) var<storage, read_write> stats: array<f32>;
@group(0) @binding(5) var<storage, read_write> rows: array<f32>;

@compute @workgroup_size(64)
fn driver_input_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let window = item / params.count;
    let place = item % params.count;            // series * F + channel
    let n = place / params.channels;
    let channel = place % params.channels;
    let at = window * params.steps * params.count + place;

    var shift = 0.0;
    var scale = 1.0;
    if channel == 0u && n >= params.covariates {
        let stat = params.stats_base + 2u * (window * (params.series - params.covariates) + n - params.covariates);
        shift = stats[stat];
        scale = stats[stat + 1u];
    } else if params.centred != 0u {
        var seen = 0.0;
        var total = 0.0;
        for (var s = 0u; s < params.past; s++) {
            let o = observed[params.observed_base + at + s * params.count];
            seen += o;
            total += values[params.values_base + at + s * params.count] * o;
        }
        shift = total / max(seen, 1.0);
    }
    let to = params.rows_base + window * params.steps * params.count + n * params.steps * params.channels + channel;
    for (var s = 0u; s < params.steps; s++) {
        let o = observed[params.observed_base + at + s * params.count];
        rows[to + s * params.channels] = (values[params.values_base + at + s * params.count] * o - shift) / scale * o;
    }
}
