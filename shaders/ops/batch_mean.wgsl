// loss += sum over windows, in order, of nll[w] * inverse_count;  d_nll[w] = d_loss * inverse_count.
// inverse_count is 1 / max(1, observed targets of the whole batch), so that the sum over micro-batches is the mean over the batch.
// Grid: forward, one invocation in total; backward, one invocation per window. loss is an accumulator that is zeroed at the start of a
// step; d_nll is overwritten unless accumulate_nll is set.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,             // 1
    accumulate_nll: u32,
    nll_base: u32,
    loss_base: u32,
    d_loss_base: u32,
    d_nll_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> nll: array<f32>;
@group(0) @binding(3) var<storage, read_write> loss: array<f32>;
@group(0) @binding(4) var<storage, read_write> d_loss: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_nll: array<f32>;

@compute @workgroup_size(1)
fn batch_mean_forward() {
    var total = loss[params.loss_base];
    for (var w = 0u; w < active_windows(); w++) {
        total += nll[params.nll_base + w] * step.inverse_count;
    }
    loss[params.loss_base] = total;
}

@compute @workgroup_size(64)
fn batch_mean_backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let w = (group.x + params.first) * 64u + lane;
    if w >= active_windows() * params.count { return; }
    let d = d_loss[params.d_loss_base] * step.inverse_count;
    let to = params.d_nll_base + w;
    if params.accumulate_nll != 0u { d_nll[to] += d; } else { d_nll[to] = d; }
}
