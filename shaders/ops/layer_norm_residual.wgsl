// layer_norm of x + dropout(change). The backward pass draws the same dropout again from its counter; it is never stored.
@group(0) @binding(6) var<storage, read_write> change: array<vec4<f32>>;
@group(0) @binding(10) var<storage, read_write> d_change: array<vec4<f32>>;

fn keep(row: u32, i: u32) -> vec4<f32> {
    if params.threshold == 0u { return vec4<f32>(1.0); }
    let window = step.first_window + params.window0 + row / params.count;
    let element = (row % params.count) * params.width + 4u * i;
    var factors: vec4<f32>;
    factors.x = dropout_factor(random_bits(element, window, params.node, step.key0, step.key1), params.threshold, params.keep_scale);
    factors.y = dropout_factor(random_bits(element + 1u, window, params.node, step.key0, step.key1), params.threshold, params.keep_scale);
    factors.z = dropout_factor(random_bits(element + 2u, window, params.node, step.key0, step.key1), params.threshold, params.keep_scale);
    factors.w = dropout_factor(random_bits(element + 3u, window, params.node, step.key0, step.key1), params.threshold, params.keep_scale);
    return factors;
}

fn summand(row: u32, i: u32) -> vec4<f32> {
    let quads = params.width / 4u;
    return x[params.x_base / 4u + row * quads + i] + keep(row, i) * change[params.change_base / 4u + row * quads + i];
}

fn add_to_gradients(row: u32, i: u32, d_z: vec4<f32>) {
    let quads = params.width / 4u;
    let at = params.d_x_base / 4u + row * quads + i;
    if params.accumulate_x != 0u { d_x[at] += d_z; } else { d_x[at] = d_z; }
    let d = keep(row, i) * d_z;
    let to = params.d_change_base / 4u + row * quads + i;
    if params.accumulate_change != 0u { d_change[to] += d; } else { d_change[to] = d; }
}
