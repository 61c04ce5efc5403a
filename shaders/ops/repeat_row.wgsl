// rows[t, n] = row;  d_row = sum of d_rows over tokens, nodes and windows
// Grid: forward, one invocation per element of rows; backward, one per element of the row and window, which sums the rows of its window;
// fold, one per element of the row, which adds the windows in order. rows and partial are overwritten; d_row is added to.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,         // elements of rows, or of the row
    width: u32,         // C
    repeats: u32,       // rows per window
    row_base: u32,
    rows_base: u32,
    d_rows_base: u32,
    partial_base: u32,
    d_row_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> row: array<f32>;
@group(0) @binding(3) var<storage, read_write> rows: array<f32>;
@group(0) @binding(4) var<storage, read_write> d_rows: array<f32>;
@group(0) @binding(5) var<storage, read_write> partial: array<f32>;
@group(0) @binding(6) var<storage, read_write> d_row: array<f32>;

@compute @workgroup_size(64)
fn repeat_row_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    rows[params.rows_base + item] = row[params.row_base + item % params.width];
}

@compute @workgroup_size(64)
fn repeat_row_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count { return; }
    let source = params.d_rows_base + (item / params.width) * params.repeats * params.width + item % params.width;
    var total = 0.0;
    for (var i = 0u; i < params.repeats; i++) {
        total += d_rows[source + i * params.width];
    }
    partial[params.partial_base + item] = total;
}

@compute @workgroup_size(64)
fn repeat_row_fold(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= params.count { return; }
    let windows = active_windows();
    var total = d_row[params.d_row_base + i];
    for (var w = 0u; w < windows; w++) {
        total += partial[params.partial_base + w * params.width + i];
    }
    d_row[params.d_row_base + i] = total;
}
