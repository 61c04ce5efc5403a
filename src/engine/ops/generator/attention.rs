//! The WGSL text of the axial attention kernels. Their registers depend on the width of a head and on the number of rows that an invocation
//! holds.
//!
//! There are three entry points, `attention_forward`, `attention_dq` and `attention_dkv`, over the shared part in
//! `shaders/ops/attention.wgsl`. Each loads its rows into named variables, iterates over the line once in a loop that is not unrolled, and
//! stores the result. A name consists of a letter for the tensor, the row, and the part of the head (`q3_1` is part 1 of row 3). A name
//! without a row (`k_1`) is the value at the current position of the loop.

use super::super::wgsl::wgsl;
use super::Variants;
use std::fmt::Write as _;

const SHARED: &str = wgsl!("ops/attention.wgsl");
const STEP: &str = wgsl!("lib/step.wgsl");

/// Number of rows that an invocation holds of a line of `length`: the number in `variants` for heads up to 16 wide, half of it for heads up
/// to 32 wide, one for wider heads. It is not larger than an even distribution of the rows over the invocations of the line needs.
#[must_use]
pub fn rows(variants: &Variants, head_width: usize, length: usize) -> usize {
    let most = match head_width {
        0..=16 => variants.attention_rows,
        17..=32 => variants.attention_rows / 2,
        _ => 1,
    };
    let length = length.max(1);
    length.div_ceil(length.div_ceil(most.max(1)))
}

/// Complete WGSL for heads `head_width` wide and `rows` rows per invocation. `accumulate` states for dq and for dkv whether the kernels add
/// to them.
///
/// These are part of the text and not uniform flags, because the compilers of CPU adapters are slow at storage accesses, and a branch has
/// three.
#[must_use]
pub fn source(head_width: usize, rows: usize, accumulate: [bool; 2]) -> String {
    let text = Text { rows, parts: parts(head_width), lanes: head_width / parts(head_width) };
    let vector = match text.lanes {
        4 => "vec4<f32>",
        2 => "vec2<f32>",
        _ => "f32",
    };
    let [q, kv] = accumulate.map(|add| if add { "+=" } else { "=" });
    format!(
        "// Heads {head_width} wide, {rows} rows per invocation.\nalias Vector = {vector};\nconst LANES: u32 = {}u;\n\
         const HEAD_WIDTH: u32 = {head_width}u;\nconst ROWS: u32 = {rows}u;\n\
         fn put_q(at: u32, d: Vector) {{ d_q[at] {q} d; }}\nfn put_kv(at: u32, d: Vector) {{ d_kv[at] {kv} d; }}\n{SHARED}{}{}{}{STEP}",
        text.lanes,
        text.forward(),
        text.dq(),
        text.dkv(),
    )
}

/// Number of vectors per head.
#[must_use]
pub fn parts(head_width: usize) -> usize {
    let lanes = if head_width.is_multiple_of(4) { 4 } else { 2 - head_width % 2 };
    head_width / lanes
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

    /// An entry point: `load` before the loop, `position` and then `row` at each position of the line, `store` after the loop.
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
    var held: array<Vector, ROWS * PARTS>;
{load}    for (var j = 0u; j < length; j++) {{
        let token = place.x + j * params.position_stride;
{position}{row}    }}
{store}}}

"
        );
        text
    }

    /// Copies the rows of an invocation from a tensor into the variables `{name}{row}_{part}`. `value` gives the part at index `at`.
    /// Drivers that compile on the CPU need a long time for each memory access in straight-line code. So one small loop loads everything
    /// into an array, and the variables are read from it once; the main loop uses only the variables. The bound of the small loop is a
    /// value of the dispatch, because such compilers would unroll a loop with a constant bound (5 s per kernel instead of 1.3 s on
    /// lavapipe).
    fn fetch(&self, name: &str, place: &str, value: &str) -> String {
        let names = self.each_row(|r| self.each_part(|i| format!("    let {name}{r}_{i} = held[{}];\n", r * self.parts + i)));
        format!(
            "    for (var e = 0u; e < params.rows * params.parts; e++) {{\n        \
             let at = {place}(token_at(place.x, place.y + e / PARTS), head) + e % PARTS;\n        held[e] = {value};\n    }}\n{names}"
        )
    }

    /// Stores the rows of an invocation: `statement` stores `value(row, part)`, which it reads from `held[e]`, at index `at`.
    fn put(&self, value: impl Fn(usize, usize) -> String, place: &str, statement: &str) -> String {
        let names = self.each_row(|r| self.each_part(|i| format!("    held[{}] = {};\n", r * self.parts + i, value(r, i))));
        format!(
            "{names}    for (var e = 0u; e < params.rows * params.parts; e++) {{\n        if place.y + e / PARTS >= length {{ break; }}\n        \
             let at = {place}(token_at(place.x, place.y + e / PARTS), head) + e % PARTS;\n        {statement}\n    }}\n"
        )
    }

    /// Declares a vector accumulator for each row and part.
    fn zeros(&self, name: &str) -> String {
        self.each_row(|r| self.each_part(|i| format!("    var {name}{r}_{i} = Vector();\n")))
    }

    fn forward(&self) -> String {
        let state = self.each_row(|r| format!("    var m{r} = -1e30;\n    var l{r} = 0.0;\n"));
        let load = self.fetch("q", "row_at", "params.scale * q[params.q_base / LANES + at]") + &self.zeros("a") + &state;
        // One exponential per key: exp(-|s - m|) either scales the previous sums or is the weight of the new value.
        let row = self.each_row(|r| {
            let dot = self.dot(&format!("q{r}_"), "k_");
            let sum = self.each_part(|i| format!("        a{r}_{i} = a{r}_{i} * keep{r} + v_{i} * p{r};\n"));
            format!(
                "        let s{r} = {dot};\n        let e{r} = exp(-abs(s{r} - m{r}));\n        let up{r} = s{r} > m{r};\n\
                 \x20       let keep{r} = select(1.0, e{r}, up{r});\n        let p{r} = select(e{r}, 1.0, up{r});\n\
                 \x20       m{r} = max(m{r}, s{r});\n        l{r} = l{r} * keep{r} + p{r};\n{sum}"
            )
        });
        let sums = self.each_row(|r| {
            format!(
                "    if place.y + {r}u < length {{ lse[params.lse_base + scalar_at(token_at(place.x, place.y + {r}u), head)] = m{r} + log(l{r}); }}\n"
            )
        });
        let store = self.put(|r, i| format!("a{r}_{i} / l{r}"), "row_at", "y[params.y_base / LANES + at] = held[e];");
        self.kernel("forward", load, &self.keys_and_values(), row, store + &sums)
    }

    /// The kernel of dq. It first computes delta, which it then reads back.
    fn dq(&self) -> String {
        let term = if self.lanes == 1 {
            "d_y[params.d_y_base + at] * y[params.y_base + at]"
        } else {
            "dot(d_y[params.d_y_base / LANES + at], y[params.y_base / LANES + at])"
        };
        let delta = format!(
            "    for (var r = 0u; r < min(params.rows, length - place.y); r++) {{\n        let token = token_at(place.x, place.y + r);\n        \
             var sum = 0.0;\n        for (var i = 0u; i < params.parts; i++) {{\n            let at = row_at(token, head) + i;\n            \
             sum += {term};\n        }}\n        delta[params.delta_base + scalar_at(token, head)] = sum;\n    }}\n"
        );
        let scalars = self.each_row(|r| {
            format!(
                "    let scalar{r} = scalar_at(token_at(place.x, place.y + {r}u), head);\n    \
                 let lse{r} = lse[params.lse_base + scalar{r}];\n    let delta{r} = delta[params.delta_base + scalar{r}];\n"
            )
        });
        let load = delta
            + &self.fetch("q", "row_at", "params.scale * q[params.q_base / LANES + at]")
            + &self.fetch("g", "row_at", "d_y[params.d_y_base / LANES + at]")
            + &self.zeros("d")
            + &scalars;
        let row = self.each_row(|r| {
            let (s, dp) = (self.dot(&format!("q{r}_"), "k_"), self.dot(&format!("g{r}_"), "v_"));
            let sum = self.each_part(|i| format!("        d{r}_{i} += k_{i} * ds{r};\n"));
            format!("        let ds{r} = exp({s} - lse{r}) * ({dp} - delta{r});\n{sum}")
        });
        let store = self.put(|r, i| format!("params.scale * d{r}_{i}"), "row_at", "put_q(params.d_q_base / LANES + at, held[e]);");
        self.kernel("dq", load, &self.keys_and_values(), row, store)
    }

    fn dkv(&self) -> String {
        let load = self.fetch("k", "key_at", "params.scale * kv[params.kv_base / LANES + at]")
            + &self.fetch("v", "key_at", "kv[params.kv_base / LANES + at + values]")
            + &self.zeros("dk")
            + &self.zeros("dv");
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
        let store = self.put(|r, i| format!("params.scale * dk{r}_{i}"), "key_at", "put_kv(params.d_kv_base / LANES + at, held[e]);")
            + &self.put(|r, i| format!("dv{r}_{i}"), "key_at", "put_kv(params.d_kv_base / LANES + at + values, held[e]);");
        self.kernel("dkv", load, &position, row, store)
    }

    /// Loads k and v at the position of the loop.
    fn keys_and_values(&self) -> String {
        let parts = self.each_part(|i| format!("        let k_{i} = kv[start + {i}u];\n        let v_{i} = kv[start + values + {i}u];\n"));
        format!("        let start = params.kv_base / LANES + key_at(token, head);\n{parts}")
    }
}
