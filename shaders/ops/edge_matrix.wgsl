// y[receiver, sender] = prob of the edge, 0 elsewhere; rows are padded with zeros to a multiple of 4.
//   dprob[r, e] += dy[r, index[r, e]]
// Rows: covariates (no edges), targets (edges from transitions: stage 2), transitions (edges from series: stage 1). Whole numbers are
// stored as floats. Runs once per step. Grid: forward, one invocation per four neighbours of a row; backward, one per edge of a stage. y is
// overwritten, gradients are added to.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,          // invocations
    quads: u32,          // padded nodes / 4
    n_covariates: u32,
    n_series: u32,       // covariates and targets
    k1: u32,             // edges of a receiver in stage 1
    k2: u32,
    stage_k: u32,        // backward: edges per receiver, first row, first column of the stage
    stage_row: u32,
    stage_column: u32,
    prob1_base: u32,
    index1_base: u32,
    prob2_base: u32,
    index2_base: u32,
    y_base: u32,
    d_y_base: u32,
    d_prob_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> prob1: array<f32>;
@group(0) @binding(3) var<storage, read_write> index1: array<f32>;
@group(0) @binding(4) var<storage, read_write> prob2: array<f32>;
@group(0) @binding(5) var<storage, read_write> index2: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> d_y: array<f32>;
@group(0) @binding(8) var<storage, read_write> d_prob: array<f32>;

// p in the lane of node `sender`, if it is one of the four nodes from `column` on.
fn placed(column: u32, sender: u32, p: f32) -> vec4<f32> {
    return select(vec4<f32>(), vec4<f32>(p), vec4<u32>(column, column + 1u, column + 2u, column + 3u) == vec4<u32>(sender));
}

@compute @workgroup_size(64)
fn edge_matrix_forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= params.count { return; }
    let row = i / params.quads;
    let column = 4u * (i % params.quads);
    var total = vec4<f32>();
    if row >= params.n_series {
        let at = (row - params.n_series) * params.k1;
        for (var e = 0u; e < params.k1; e++) {
            total += placed(column, u32(index1[params.index1_base + at + e]), prob1[params.prob1_base + at + e]);
        }
    } else if row >= params.n_covariates {
        let at = (row - params.n_covariates) * params.k2;
        for (var e = 0u; e < params.k2; e++) {
            total += placed(column, params.n_series + u32(index2[params.index2_base + at + e]), prob2[params.prob2_base + at + e]);
        }
    }
    y[params.y_base / 4u + i] = total;
}

@compute @workgroup_size(64)
fn edge_matrix_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let e = (group.x + params.first) * 64u + lane;
    if e >= params.count { return; }
    let row = params.stage_row + e / params.stage_k;
    let column = params.stage_column + u32(index1[params.index1_base + e]);
    d_prob[params.d_prob_base + e] += d_y[params.d_y_base + row * 4u * params.quads + column];
}
