// edges[:, j, i] *= max(0, 1 - shrink / max(norm, 1e-12)), norm over the R graphs, for every i that is not j's own; in place, unless
// norm = (norm, clip factor, ok, loss) has ok = 0 (a bad step) or shrink is 0. Grid: one invocation per pair (j, i).
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,            // Nt Nx
    start: u32,            // first element of the edges in the parameters
    rank: u32,             // R
    series: u32,           // Nx
    covariates: u32,       // Nc
    parameters_base: u32,
    norm_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> parameters: array<f32>;
@group(0) @binding(3) var<storage, read_write> norm: array<f32>;

@compute @workgroup_size(64)
fn edge_shrink_update(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count || step.shrink == 0.0 || norm[params.norm_base + 2u] == 0.0 { return; }
    if item % params.series == params.covariates + item / params.series { return; }
    let at = params.parameters_base + params.start + item;
    var squares = 0.0;
    for (var r = 0u; r < params.rank; r++) {
        let e = parameters[at + r * params.count];
        squares += e * e;
    }
    let keep = max(0.0, 1.0 - step.shrink / max(sqrt(squares), 1e-12));
    for (var r = 0u; r < params.rank; r++) {
        parameters[at + r * params.count] *= keep;
    }
}
