// linear if inner and columns are multiples of 4: each group of four elements is one load or store, and all four exist.
alias Element = vec4<f32>;
const LANES: u32 = 4u;

// The same bytes as d_y and partial, for lanes that hold two rows.
@group(0) @binding(11) var<storage, read_write> d_y_pairs: array<vec2<f32>>;

fn x_quad(at: u32, present: u32) -> vec4<f32> { return x[at / 4u]; }
fn weight_quad(at: u32, present: u32) -> vec4<f32> { return weights[at / 4u]; }
fn residual_quad(at: u32, present: u32) -> vec4<f32> { return residual[at / 4u]; }
fn d_y_quad(at: u32, present: u32) -> vec4<f32> { return d_y[at / 4u]; }
fn d_y_pair(at: u32, present: u32) -> vec2<f32> { return d_y_pairs[at / 2u]; }
fn put_y(at: u32, present: u32, value: vec4<f32>) { y[at / 4u] = value; }
fn put_d_x(at: u32, present: u32, value: vec4<f32>) {
    if accumulate != 0u { d_x[at / 4u] += value; } else { d_x[at / 4u] = value; }
}
fn put_partial(at: u32, present: u32, value: vec4<f32>) { partial[at / 4u] = value; }
fn put_partial_pair(at: u32, present: u32, value: vec2<f32>) {
    partial[at / 4u][at % 4u] = value.x;
    partial[at / 4u][at % 4u + 1u] = value.y;
}
