// AdamW as PyTorch defines it, over flat buffers, with g = gradient * clip factor, c1 = 1 - beta1^t, c2 = 1 - beta2^t:
//   m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2
//   p = p (1 - rate decay) - rate / c1 m / (sqrt(v) / sqrt(c2) + epsilon)
// norm = (norm, clip factor, ok, loss). state = (steps, c1, c2, consecutive bad steps, all bad steps, 0, 0, 0).
// With groups, rate and decay of an element are those of the last group (first element / 4, share of the rate, decay, 0) that begins at or
// before it; the groups ascend from 0.
// If ok is 0, only the two counters of bad steps change. All tensors are updated in place.
// Grid: adamw_update, one invocation per four elements, reads the old state; then adamw_state, one invocation. Lengths are multiples of 4.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,                // groups of four elements, or 1
    beta1: f32,
    beta2: f32,
    one_minus_beta1: f32,      // rounded once, from f64
    one_minus_beta2: f32,
    epsilon: f32,
    weight_decay: f32,
    n_groups: u32,
    parameters_base: u32,
    moment1_base: u32,
    moment2_base: u32,
    gradients_base: u32,
    norm_base: u32,
    state_base: u32,
    groups_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> parameters: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> moment1: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> moment2: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> gradients: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> norm: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> state: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> groups: array<vec4<f32>>;

// (steps, c1, c2, consecutive bad steps) after a good step.
fn stepped(old: vec4<f32>) -> vec4<f32> {
    let c1 = old.y * params.beta1 + params.one_minus_beta1;
    let c2 = old.z * params.beta2 + params.one_minus_beta2;
    return vec4<f32>(old.x + 1.0, c1, c2, 0.0);
}

fn update(i: u32, rate: f32, decay: f32) {
    let verdict = norm[params.norm_base / 4u];
    if verdict.z == 0.0 { return; }
    let now = stepped(state[params.state_base / 4u]);
    let g = gradients[params.gradients_base / 4u + i] * verdict.y;
    let m = params.beta1 * moment1[params.moment1_base / 4u + i] + params.one_minus_beta1 * g;
    let v = params.beta2 * moment2[params.moment2_base / 4u + i] + params.one_minus_beta2 * g * g;
    let p = parameters[params.parameters_base / 4u + i] * (1.0 - rate * decay);
    moment1[params.moment1_base / 4u + i] = m;
    moment2[params.moment2_base / 4u + i] = v;
    parameters[params.parameters_base / 4u + i] = p - (rate / now.y) * m / (sqrt(v) / sqrt(now.z) + params.epsilon);
}

@compute @workgroup_size(64)
fn adamw_update(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= active_windows() * params.count { return; }
    update(i, step.learning_rate, params.weight_decay);
}

@compute @workgroup_size(64)
fn adamw_update_groups(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= active_windows() * params.count { return; }
    // Bisection: the element is of group `low` or a later one, before `high`.
    var low = 0u;
    var high = params.n_groups;
    while high - low > 1u {
        let middle = (low + high) / 2u;
        if u32(groups[params.groups_base / 4u + middle].x) <= i { low = middle; } else { high = middle; }
    }
    let mine = groups[params.groups_base / 4u + low];
    update(i, step.learning_rate * mine.y, mine.z);
}

@compute @workgroup_size(64)
fn adamw_state(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x + params.first) * 64u + lane;
    if i >= active_windows() * params.count { return; }
    let at = params.state_base / 4u;
    if norm[params.norm_base / 4u].z == 0.0 {
        state[at].w += 1.0;
        state[at + 1u].x += 1.0;
    } else {
        state[at] = stepped(state[at]);
    }
}
