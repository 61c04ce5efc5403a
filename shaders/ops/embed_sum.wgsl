// The sum of the parts of a token: the base of its place, its series, the calendar.
//   y[t, n] = base[t, n] + (n < Nx ? series[t, n] : 0) + calendar[t]
//   dbase[t, n] = sum_windows dy[t, n];  dseries[t, n] = dy[t, n], n < Nx;  dcalendar[t] = sum_n dy[t, n]
// base is per step, all other inputs are per window. Width is a multiple of 4. One invocation owns four channels: of a token (forward,
// dbase), of a series token (dseries), of a step (dcalendar). `_base` adds the windows in order, so that micro-batches do not change its
// bits.
// y is overwritten, dseries and dcalendar unless an accumulate flag is set; dbase is always added to.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,        // invocations per window; in `_base`, over all windows
    quads: u32,        // width / 4
    n_nodes: u32,
    n_series: u32,
    accumulate_series: u32,
    accumulate_calendar: u32,
    base_base: u32,
    series_base: u32,
    calendar_base: u32,
    y_base: u32,
    d_y_base: u32,
    d_base_base: u32,
    d_series_base: u32,
    d_calendar_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> base: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> series: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> calendar: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> d_y: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> d_base: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> d_series: array<vec4<f32>>;
@group(0) @binding(9) var<storage, read_write> d_calendar: array<vec4<f32>>;

fn base_and_series(item: u32) -> vec4<f32> {
    let i = item % params.quads;
    let row = item / params.quads;
    let n = row % params.n_nodes;
    let t = row / params.n_nodes; // of all windows
    var total = base[params.base_base / 4u + item % params.count];
    if n < params.n_series {
        total += series[params.series_base / 4u + (t * params.n_series + n) * params.quads + i];
    }
    return total;
}

@compute @workgroup_size(64)
fn embed_sum_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    y[params.y_base / 4u + item] = base_and_series(item);
}

@compute @workgroup_size(64)
fn embed_sum_forward_calendar(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let t = item / (params.quads * params.n_nodes); // of all windows
    let date = calendar[params.calendar_base / 4u + t * params.quads + item % params.quads];
    y[params.y_base / 4u + item] = base_and_series(item) + date;
}

@compute @workgroup_size(256)
fn embed_sum_backward_base(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 256u + lane;
    if item >= params.count { return; }
    let windows = active_windows();
    var total = d_base[params.d_base_base / 4u + item];
    for (var w = 0u; w < windows; w++) {
        total += d_y[params.d_y_base / 4u + w * params.count + item];
    }
    d_base[params.d_base_base / 4u + item] = total;
}

@compute @workgroup_size(64)
fn embed_sum_backward_series(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let i = item % params.quads;
    let row = item / params.quads;
    let n = row % params.n_series;
    let t = row / params.n_series; // of all windows
    let d = d_y[params.d_y_base / 4u + (t * params.n_nodes + n) * params.quads + i];
    let at = params.d_series_base / 4u + item;
    if params.accumulate_series != 0u { d_series[at] += d; } else { d_series[at] = d; }
}

@compute @workgroup_size(64)
fn embed_sum_backward_calendar(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let t = item / params.quads; // of all windows
    let start = params.d_y_base / 4u + t * params.n_nodes * params.quads + item % params.quads;
    var total = vec4<f32>(0.0);
    for (var n = 0u; n < params.n_nodes; n++) {
        total += d_y[start + n * params.quads];
    }
    let at = params.d_calendar_base / 4u + item;
    if params.accumulate_calendar != 0u { d_calendar[at] += total; } else { d_calendar[at] = total; }
}
