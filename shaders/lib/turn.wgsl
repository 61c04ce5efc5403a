// sin and cos of an angle, to about one unit in the last place. The angle is reduced to at most an eighth of a turn by quarter turns, whose
// length is stored in three parts (Cody and Waite, 1980); then Cephes' polynomials are used (Moshier). WGSL guarantees only an error of
// 2^-11 for the built-in functions, and only between -pi and pi.
fn sin_cos(angle: f32) -> vec2<f32> {
    let q = round(angle * 0.6366197723675814);
    var a = angle - q * 1.5703125;
    a = a - q * 4.837512969970703125e-4;
    a = a - q * 7.54978995489188e-8;
    let z = a * a;
    let s = ((-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1) * z * a + a;
    let c = ((2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2) * z * z - 0.5 * z + 1.0;
    let quadrant = u32(i32(q)) & 3u;
    let swapped = select(vec2<f32>(s, c), vec2<f32>(c, s), (quadrant & 1u) == 1u);
    return vec2<f32>(select(swapped.x, -swapped.x, quadrant >= 2u), select(swapped.y, -swapped.y, quadrant == 1u || quadrant == 2u));
}
