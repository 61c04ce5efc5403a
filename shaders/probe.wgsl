// Measures the ceilings of an adapter: multiply-adds in registers, memory traffic, an empty dispatch.
@group(0) @binding(0) var<storage, read_write> a: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> b: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4<f32>>;

// 128 iterations of 8 multiply-adds on each of 12 independent chains: more chains than the pipeline depth, few enough for 16 vector
// registers, and with little loop overhead.
@compute @workgroup_size(64)
fn multiply_add(@builtin(global_invocation_id) id: vec3<u32>) {
    var x = vec4<f32>(f32(id.x));
    var y = x + vec4<f32>(1.0);
    var z = x + vec4<f32>(2.0);
    let scale = vec4<f32>(0.999);
    for (var i = 0u; i < 128u; i++) {
        x = fma(x, scale, scale);
        y = fma(y, scale, scale);
        z = fma(z, scale, scale);
        x = fma(x, scale, scale);
        y = fma(y, scale, scale);
        z = fma(z, scale, scale);
        x = fma(x, scale, scale);
        y = fma(y, scale, scale);
        z = fma(z, scale, scale);
        x = fma(x, scale, scale);
        y = fma(y, scale, scale);
        z = fma(z, scale, scale);
        x = fma(x, scale, scale);
        y = fma(y, scale, scale);
        z = fma(z, scale, scale);
        x = fma(x, scale, scale);
        y = fma(y, scale, scale);
        z = fma(z, scale, scale);
        x = fma(x, scale, scale);
        y = fma(y, scale, scale);
        z = fma(z, scale, scale);
        x = fma(x, scale, scale);
        y = fma(y, scale, scale);
        z = fma(z, scale, scale);
    }
    a[id.x] = x + y + z;
}

@compute @workgroup_size(64)
fn triad(@builtin(global_invocation_id) id: vec3<u32>) {
    a[id.x] = b[id.x] + 0.5 * c[id.x];
}

@compute @workgroup_size(1)
fn nothing() {
    a[0] = vec4<f32>(0.0);
}
