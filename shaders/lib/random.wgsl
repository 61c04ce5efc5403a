// Counter-based random bits: PCG4D (Jarzynski and Olano, "Hash Functions for GPU Rendering", 2020).
// The keys are element, window (in the order of the epoch), node and the keys of the step, so that no memory budget and no chunk changes a
// number.
fn random_bits(element: u32, window: u32, node: u32, key0: u32, key1: u32) -> u32 {
    var v = vec4<u32>(element, window, node ^ key0, key1) * 1664525u + 1013904223u;
    v.x += v.y * v.w; v.y += v.z * v.x; v.z += v.x * v.y; v.w += v.y * v.z;
    v ^= v >> vec4<u32>(16u);
    v.x += v.y * v.w; v.y += v.z * v.x; v.z += v.x * v.y; v.w += v.y * v.z;
    return v.x;
}

// 0 with the probability that `threshold` stands for, otherwise `scale`. The comparison is between integers and exact on every device.
fn dropout_factor(bits: u32, threshold: u32, scale: f32) -> f32 {
    return select(scale, 0.0, bits < threshold);
}
