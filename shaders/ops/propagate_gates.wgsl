// dgate_k = sum_ij A_k[i, j] G[i, j]. One workgroup per window of the group.
var<workgroup> sums: array<vec3<f32>, 64>;

@compute @workgroup_size(64)
fn propagate_backward_gates(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let w = params.first + group.x;
    if group.x >= params.group || w >= active_windows() { return; }
    let n = params.n_nodes * (params.padded / 4u);
    var mine = vec3<f32>();
    for (var q = lane; q < n; q += 64u) {
        mine += weighed(q, partial[params.partial_base / 4u + group.x * n + q]);
    }
    sums[lane] = mine;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half >>= 1u) {
        if lane < half { sums[lane] += sums[lane + half]; }
        workgroupBarrier();
    }
    if lane >= 3u { return; }
    let at = params.d_gates_base + 3u * w + lane;
    let d = sums[0][lane];
    if params.accumulate_gates != 0u { d_gates[at] += d; } else { d_gates[at] = d; }
}
