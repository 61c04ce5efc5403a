// layer_norm of x without a change.
fn summand(row: u32, i: u32) -> vec4<f32> {
    return x[params.x_base / 4u + row * (params.width / 4u) + i];
}

fn add_to_gradients(row: u32, i: u32, d_z: vec4<f32>) {
    let at = params.d_x_base / 4u + row * (params.width / 4u) + i;
    if params.accumulate_x != 0u { d_x[at] += d_z; } else { d_x[at] = d_z; }
}
