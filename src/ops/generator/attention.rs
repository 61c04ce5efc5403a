//! Text of the axial attention kernels: registers are sized by the width of a head and the rows that an invocation holds.
//!
//! Three entry points, `attention_forward`, `attention_dq` and `attention_dkv`, over the shared part in `shaders/ops/attention.wgsl`.
//! Each loads its rows into named variables, walks the line once in a loop that is not unrolled, and stores. Names: a letter for the
//! tensor, the row, and the part of the head (`q3_1` is part 1 of row 3); without a row (`k_1`) it is the loop's current position.

use super::Variants;
use std::fmt::Write as _;

const SHARED: &str = include_str!("../../../shaders/ops/attention.wgsl");
const STEP: &str = include_str!("../../../shaders/lib/step.wgsl");

/// Rows that an invocation holds of a line of `length`: what `variants` says for heads up to 16 wide, half for 32, one for wider ones;
/// half of that in backward, where a row takes three or four vectors instead of two. No more than spread evenly over the line.
#[must_use]
pub fn rows(variants: &Variants, head_width: usize, length: usize, backward: bool) -> usize {
    let most = match head_width {
        0..=16 => variants.attention_rows,
        17..=32 => variants.attention_rows / 2,
        _ => 1,
    };
    let most = if backward { most / 2 } else { most };
    let length = length.max(1);
    length.div_ceil(length.div_ceil(most.max(1)))
}

/// Complete WGSL for heads `head_width` wide, `rows` rows an invocation; `accumulate` says of dq and of dkv whether they are added to.
///
/// That is text and not a uniform flag, because storage accesses are what a CPU adapter's compiler is slow at (a branch has three).
#[must_use]
pub fn source(head_width: usize, rows: usize, accumulate: [bool; 2]) -> String {
    let (vector, lanes) = match head_width {
        w if w.is_multiple_of(4) => ("vec4<f32>", 4),
        w if w.is_multiple_of(2) => ("vec2<f32>", 2),
        _ => ("f32", 1),
    };
    let text = Text { rows, parts: head_width / lanes, lanes };
    let [q, kv] = accumulate.map(|add| if add { "+=" } else { "=" });
    format!(
        "// Heads {head_width} wide, {rows} rows an invocation.\nalias Vector = {vector};\nconst LANES: u32 = {lanes}u;\n\
         const HEAD_WIDTH: u32 = {head_width}u;\nconst ROWS: u32 = {rows}u;\n\
         fn put_q(at: u32, d: Vector) {{ d_q[at] {q} d; }}\nfn put_kv(at: u32, d: Vector) {{ d_kv[at] {kv} d; }}\n{SHARED}{}{}{}{STEP}",
        text.forward(),
        text.dq(),
        text.dkv(),
    )
}

/// Sizes that the text depends on.
struct Text {
    rows: usize,
    parts: usize,
    lanes: usize,
}

impl Text {
    /// `line` for each row.
    fn each_row(&self, line: impl Fn(usize) -> String) -> String {
        (0..self.rows).map(line).collect()
    }

    /// `line` for each part of a head.
    fn each_part(&self, line: impl Fn(usize) -> String) -> String {
        (0..self.parts).map(line).collect()
    }

    /// Inner product of two heads whose parts are `a0`, `a1`, .. and `b0`, `b1`, ..
    fn dot(&self, a: &str, b: &str) -> String {
        let term = |i| {
            if self.lanes == 1 { format!("{a}{i} * {b}{i}") } else { format!("dot({a}{i}, {b}{i})") }
        };
        (0..self.parts).map(term).collect::<Vec<_>>().join(" + ")
    }

    /// An entry point: `load` and `store` for each row, `position` at each position of the line and there `row` for each row.
    fn kernel(&self, name: &str, load: String, position: &str, row: String, store: String) -> String {
        let mut text = String::new();
        let _ = write!(
            text,
            "@compute @workgroup_size(64)
fn attention_{name}(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {{
    let item = (group.x + params.first) * 64u + lane;
    if item >= active_windows() * params.count {{ return; }}
    let place = locate(item);
    let head = params.head0 + group.y;
    let values = params.heads * PARTS;
    let length = params.length;
{load}    for (var j = 0u; j < length; j++) {{
        let token = place.x + j * params.position_stride;
{position}{row}    }}
{store}}}

"
        );
        text
    }

    fn forward(&self) -> String {
        let load = self.each_row(|r| {
            let parts = self.each_part(|i| {
                format!("    let q{r}_{i} = params.scale * q[params.q_base / LANES + row{r} + {i}u];\n    var a{r}_{i} = Vector();\n")
            });
            format!(
                "    let token{r} = token_at(place.x, place.y + {r}u);\n    let row{r} = row_at(token{r}, head);\n\
                 {parts}    var m{r} = -1e30;\n    var l{r} = 0.0;\n"
            )
        });
        // One exponential a key: exp(-|s - m|) either scales what was summed so far or weighs the new value.
        let row = self.each_row(|r| {
            let dot = self.dot(&format!("q{r}_"), "k_");
            let sum = self.each_part(|i| format!("        a{r}_{i} = a{r}_{i} * keep{r} + v_{i} * p{r};\n"));
            format!(
                "        let s{r} = {dot};\n        let e{r} = exp(-abs(s{r} - m{r}));\n        let up{r} = s{r} > m{r};\n\
                 \x20       let keep{r} = select(1.0, e{r}, up{r});\n        let p{r} = select(e{r}, 1.0, up{r});\n\
                 \x20       m{r} = max(m{r}, s{r});\n        l{r} = l{r} * keep{r} + p{r};\n{sum}"
            )
        });
        let store = self.each_row(|r| {
            let parts = self.each_part(|i| format!("        y[params.y_base / LANES + row{r} + {i}u] = a{r}_{i} / l{r};\n"));
            format!(
                "    if place.y + {r}u < length {{\n{parts}\
                 \x20       lse[params.lse_base + scalar_at(token{r}, head)] = m{r} + log(l{r});\n    }}\n"
            )
        });
        self.kernel("forward", load, &self.keys_and_values(), row, store)
    }

    fn dq(&self) -> String {
        let load = self.each_row(|r| {
            let parts = self.each_part(|i| {
                format!(
                    "    let q{r}_{i} = params.scale * q[params.q_base / LANES + row{r} + {i}u];\n\
                     \x20   let g{r}_{i} = d_y[params.d_y_base / LANES + row{r} + {i}u];\n\
                     \x20   let y{r}_{i} = y[params.y_base / LANES + row{r} + {i}u];\n    var d{r}_{i} = Vector();\n"
                )
            });
            let delta = self.dot(&format!("g{r}_"), &format!("y{r}_"));
            format!(
                "    let token{r} = token_at(place.x, place.y + {r}u);\n    let row{r} = row_at(token{r}, head);\n{parts}\
                 \x20   let lse{r} = lse[params.lse_base + scalar_at(token{r}, head)];\n    let delta{r} = {delta};\n"
            )
        });
        let row = self.each_row(|r| {
            let (s, dp) = (self.dot(&format!("q{r}_"), "k_"), self.dot(&format!("g{r}_"), "v_"));
            let sum = self.each_part(|i| format!("        d{r}_{i} += k_{i} * ds{r};\n"));
            format!("        let ds{r} = exp({s} - lse{r}) * ({dp} - delta{r});\n{sum}")
        });
        let store = self.each_row(|r| {
            let parts = self.each_part(|i| format!("        put_q(params.d_q_base / LANES + row{r} + {i}u, params.scale * d{r}_{i});\n"));
            format!(
                "    if place.y + {r}u < length {{\n{parts}\
                 \x20       delta[params.delta_base + scalar_at(token{r}, head)] = delta{r};\n    }}\n"
            )
        });
        self.kernel("dq", load, &self.keys_and_values(), row, store)
    }

    fn dkv(&self) -> String {
        let load = self.each_row(|r| {
            let parts = self.each_part(|i| {
                format!(
                    "    let k{r}_{i} = params.scale * kv[params.kv_base / LANES + key{r} + {i}u];\n\
                     \x20   let v{r}_{i} = kv[params.kv_base / LANES + key{r} + values + {i}u];\n\
                     \x20   var dk{r}_{i} = Vector();\n    var dv{r}_{i} = Vector();\n"
                )
            });
            format!("    let key{r} = key_at(token_at(place.x, place.y + {r}u), head);\n{parts}")
        });
        let parts = self.each_part(|i| {
            format!(
                "        let q_{i} = q[params.q_base / LANES + start + {i}u];\n\
                 \x20       let g_{i} = d_y[params.d_y_base / LANES + start + {i}u];\n"
            )
        });
        let position = format!(
            "        let start = row_at(token, head);\n{parts}\
             \x20       let lse_of = lse[params.lse_base + scalar_at(token, head)];\n\
             \x20       let delta_of = delta[params.delta_base + scalar_at(token, head)];\n"
        );
        let row = self.each_row(|r| {
            let (s, dp) = (self.dot("q_", &format!("k{r}_")), self.dot("g_", &format!("v{r}_")));
            let sum = self.each_part(|i| format!("        dk{r}_{i} += q_{i} * ds{r};\n        dv{r}_{i} += g_{i} * p{r};\n"));
            format!("        let p{r} = exp({s} - lse_of);\n        let ds{r} = p{r} * ({dp} - delta_of);\n{sum}")
        });
        let store = self.each_row(|r| {
            let parts = self.each_part(|i| {
                format!(
                    "        put_kv(params.d_kv_base / LANES + key{r} + {i}u, params.scale * dk{r}_{i});\n\
                     \x20       put_kv(params.d_kv_base / LANES + key{r} + values + {i}u, dv{r}_{i});\n"
                )
            });
            format!("    if place.y + {r}u < length {{\n{parts}    }}\n")
        });
        self.kernel("dkv", load, &position, row, store)
    }

    /// Loads k and v at the loop's position.
    fn keys_and_values(&self) -> String {
        let parts = self.each_part(|i| format!("        let k_{i} = kv[start + {i}u];\n        let v_{i} = kv[start + values + {i}u];\n"));
        format!("        let start = params.kv_base / LANES + key_at(token, head);\n{parts}")
    }
}
