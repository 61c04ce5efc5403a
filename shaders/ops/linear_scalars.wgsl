// linear with any extents: every element is accessed individually.
alias Element = f32;
const LANES: u32 = 1u;

fn x_quad(at: u32, present: u32) -> vec4<f32> {
    var v = vec4<f32>();
    if present > 0u { v.x = x[at]; }
    if present > 1u { v.y = x[at + 1u]; }
    if present > 2u { v.z = x[at + 2u]; }
    if present > 3u { v.w = x[at + 3u]; }
    return v;
}

fn weight_quad(at: u32, present: u32) -> vec4<f32> {
    var v = vec4<f32>();
    if present > 0u { v.x = weights[at]; }
    if present > 1u { v.y = weights[at + 1u]; }
    if present > 2u { v.z = weights[at + 2u]; }
    if present > 3u { v.w = weights[at + 3u]; }
    return v;
}

fn residual_quad(at: u32, present: u32) -> vec4<f32> {
    var v = vec4<f32>();
    if present > 0u { v.x = residual[at]; }
    if present > 1u { v.y = residual[at + 1u]; }
    if present > 2u { v.z = residual[at + 2u]; }
    if present > 3u { v.w = residual[at + 3u]; }
    return v;
}

fn d_y_quad(at: u32, present: u32) -> vec4<f32> {
    var v = vec4<f32>();
    if present > 0u { v.x = d_y[at]; }
    if present > 1u { v.y = d_y[at + 1u]; }
    if present > 2u { v.z = d_y[at + 2u]; }
    if present > 3u { v.w = d_y[at + 3u]; }
    return v;
}

fn d_y_pair(at: u32, present: u32) -> vec2<f32> {
    var v = vec2<f32>();
    if present > 0u { v.x = d_y[at]; }
    if present > 1u { v.y = d_y[at + 1u]; }
    return v;
}

fn put_y(at: u32, present: u32, value: vec4<f32>) {
    if present > 0u { y[at + 0u] = value.x; }
    if present > 1u { y[at + 1u] = value.y; }
    if present > 2u { y[at + 2u] = value.z; }
    if present > 3u { y[at + 3u] = value.w; }
}

fn put_d_x(at: u32, present: u32, value: vec4<f32>) {
    var v = value;
    if accumulate != 0u { v += d_x_quad(at, present); }
    if present > 0u { d_x[at] = v.x; }
    if present > 1u { d_x[at + 1u] = v.y; }
    if present > 2u { d_x[at + 2u] = v.z; }
    if present > 3u { d_x[at + 3u] = v.w; }
}

fn d_x_quad(at: u32, present: u32) -> vec4<f32> {
    var v = vec4<f32>();
    if present > 0u { v.x = d_x[at]; }
    if present > 1u { v.y = d_x[at + 1u]; }
    if present > 2u { v.z = d_x[at + 2u]; }
    if present > 3u { v.w = d_x[at + 3u]; }
    return v;
}

fn put_partial(at: u32, present: u32, value: vec4<f32>) {
    if present > 0u { partial[at + 0u] = value.x; }
    if present > 1u { partial[at + 1u] = value.y; }
    if present > 2u { partial[at + 2u] = value.z; }
    if present > 3u { partial[at + 3u] = value.w; }
}

fn put_partial_pair(at: u32, present: u32, value: vec2<f32>) {
    if present > 0u { partial[at + 0u] = value.x; }
    if present > 1u { partial[at + 1u] = value.y; }
}
