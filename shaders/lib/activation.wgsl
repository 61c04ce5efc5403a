// GELU in its tanh form, and its derivative. The argument of tanh is clamped: beyond 10 tanh is 1 in f32, and some drivers overflow.
fn gelu_tanh(v: f32) -> f32 {
    return tanh(clamp(0.7978845608028654 * (v + 0.044715 * v * v * v), -10.0, 10.0));
}

fn gelu(v: f32) -> f32 {
    return 0.5 * v * (1.0 + gelu_tanh(v));
}

fn gelu_slope(v: f32) -> f32 {
    let t = gelu_tanh(v);
    return 0.5 * (1.0 + t) + 0.5 * v * (1.0 - t * t) * 0.7978845608028654 * (1.0 + 0.134145 * v * v);
}
