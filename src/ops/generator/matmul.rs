//! Text of a tiled matrix product `out[i, j] = sum_s a(i, s) b(s, j)`.
//!
//! Operands and result are reached through accessor functions of the op's own WGSL text, which guard the edges; so one loop nest serves
//! products by rows, by columns, and later convolutions. Sums run over s in ascending order whatever the tile.

use super::{Broadcast, Tile};
use std::fmt::Write;

/// What a product is made of.
pub struct Matmul<'a> {
    /// Entry point.
    pub entry: &'a str,
    /// Shape.
    pub tile: Tile,
    /// Extent of j, if it is known to be small.
    pub columns: usize,
    /// Statements that define `i0`, `j0`, `s_begin`, `s_end` (uniform over the workgroup), given `TILE_ROWS` and `TILE_COLUMNS`.
    pub prologue: &'a str,
    /// `fn(i, s, s_end) -> f32`.
    pub a: &'a str,
    /// `fn(s, j, s_end) -> f32`.
    pub b: &'a str,
    /// Whether consecutive s are consecutive in memory for a; else i are.
    pub a_along_s: bool,
    /// Whether consecutive s are consecutive in memory for b; else j are.
    pub b_along_s: bool,
    /// Call that stores: `name(extra i, j, value)`; everything up to and including the extra arguments.
    pub store: &'a str,
    /// Call that stores sums of a over s, one a row i, from the workgroups with j0 = 0; like `store`.
    pub row_sums: Option<&'a str>,
}

/// The tile with no more subgroups than an output of `rows` rows can use.
#[must_use]
pub fn fit(tile: Tile, rows: usize) -> Tile {
    if tile.broadcast != Broadcast::Subgroup {
        return tile;
    }
    Tile { threads: tile.threads.min(tile.lanes * rows.div_ceil(tile.rows)), ..tile }
}

/// Rows and columns of the output that a workgroup covers.
#[must_use]
pub fn extent(tile: Tile, columns: usize) -> (usize, usize) {
    let (across, down) = threads(tile, columns);
    (down * tile.rows, across * tile.columns)
}

/// Invocations across and down a workgroup's tile: narrow outputs get tall tiles.
fn threads(tile: Tile, columns: usize) -> (usize, usize) {
    if tile.broadcast == Broadcast::Subgroup {
        return (tile.lanes, tile.threads / tile.lanes);
    }
    let most = (1_usize << (tile.threads.ilog2() / 2)).max(4);
    let across = columns.div_ceil(tile.columns).next_power_of_two().clamp(1, most);
    (across, tile.threads / across)
}

/// Writes the entry point.
#[must_use]
pub fn text(m: &Matmul) -> String {
    match m.tile.broadcast {
        Broadcast::None => registers(m),
        Broadcast::Workgroup => workgroup(m),
        Broadcast::Subgroup => subgroup(m),
    }
}

fn head(m: &Matmul, out: &mut String) {
    let (rows, columns) = extent(m.tile, m.columns);
    let Matmul { entry, prologue, .. } = m;
    let arguments = if m.tile.broadcast == Broadcast::Subgroup { ", @builtin(subgroup_invocation_id) sub: u32" } else { "" };
    let prologue = prologue.replace("TILE_ROWS", &format!("{rows}u")).replace("TILE_COLUMNS", &format!("{columns}u"));
    let _ = write!(
        out,
        "@compute @workgroup_size({})\nfn {entry}(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32{arguments}) {{\n{prologue}\n",
        m.tile.threads
    );
}

/// Declares accumulators `acc_{row}_{quad}` (four columns each) and, if asked for, the sums of rows.
fn accumulators(m: &Matmul, out: &mut String) {
    for r in 0..m.tile.rows {
        for q in 0..m.tile.columns / 4 {
            let _ = writeln!(out, "    var acc_{r}_{q} = vec4<f32>(0.0);");
        }
        if m.row_sums.is_some() {
            let _ = writeln!(out, "    var sum_{r} = 0.0;");
        }
    }
    if m.row_sums.is_some() {
        let _ = writeln!(out, "    let sums_rows = j0 == 0u;");
    }
}

fn stores(m: &Matmul, out: &mut String) {
    for r in 0..m.tile.rows {
        for q in 0..m.tile.columns / 4 {
            for (c, name) in ["x", "y", "z", "w"].iter().enumerate() {
                let _ = writeln!(out, "    {} i + {r}u, j + {}u, acc_{r}_{q}.{name});", m.store, 4 * q + c);
            }
        }
    }
    if let Some(call) = m.row_sums {
        let _ = writeln!(out, "    if sums_rows && across == 0u {{");
        for r in 0..m.tile.rows {
            let _ = writeln!(out, "        {call} i + {r}u, sum_{r});");
        }
        let _ = writeln!(out, "    }}");
    }
    out.push_str("}\n");
}

/// One step of s: `av_{row}` scalars times `bv_{quad}` vectors.
fn multiply(m: &Matmul, indent: &str, out: &mut String) {
    for r in 0..m.tile.rows {
        for q in 0..m.tile.columns / 4 {
            let _ = writeln!(out, "{indent}acc_{r}_{q} = fma(vec4<f32>(av_{r}), bv_{q}, acc_{r}_{q});");
        }
    }
    if m.row_sums.is_some() {
        let sums: String = (0..m.tile.rows).map(|r| format!("sum_{r} += av_{r}; ")).collect();
        let _ = writeln!(out, "{indent}if sums_rows {{ {sums}}}");
    }
}

/// Every invocation loads its operands itself.
fn registers(m: &Matmul) -> String {
    let (across, _) = threads(m.tile, m.columns);
    let mut out = String::new();
    head(m, &mut out);
    let Matmul { a, b, tile, .. } = m;
    let _ = writeln!(
        out,
        "    let across = lane % {across}u;\n    let i = i0 + (lane / {across}u) * {}u;\n    let j = j0 + across * {}u;",
        tile.rows, tile.columns
    );
    accumulators(m, &mut out);
    out.push_str("    for (var s = s_begin; s < s_end; s++) {\n");
    for q in 0..tile.columns / 4 {
        let at = |c: usize| format!("{b}(s, j + {}u, s_end)", 4 * q + c);
        let _ = writeln!(out, "        let bv_{q} = vec4<f32>({}, {}, {}, {});", at(0), at(1), at(2), at(3));
    }
    for r in 0..tile.rows {
        let _ = writeln!(out, "        let av_{r} = {a}(i + {r}u, s, s_end);");
    }
    multiply(m, "        ", &mut out);
    out.push_str("    }\n");
    stores(m, &mut out);
    out
}

/// Loads a tile of an operand into workgroup memory, quads of i (or j) by s.
fn fill(array: &str, call: &dyn Fn(usize) -> String, quads: usize, k: usize, threads: usize, along_s: bool, out: &mut String) {
    let (quad, s) = if along_s { (format!("e / {k}u"), format!("e % {k}u")) } else { (format!("e % {quads}u"), format!("e / {quads}u")) };
    let _ = writeln!(
        out,
        "        for (var e = lane; e < {}u; e += {threads}u) {{\n            let quad = {quad};\n            let s = {s};\n            {array}[s * {quads}u + quad] = vec4<f32>({}, {}, {}, {});\n        }}",
        quads * k,
        call(0),
        call(1),
        call(2),
        call(3)
    );
}

/// Operands go through workgroup memory.
fn workgroup(m: &Matmul) -> String {
    let (across, _) = threads(m.tile, m.columns);
    let (rows, columns) = extent(m.tile, m.columns);
    let Matmul { entry, a, b, tile, .. } = m;
    // 16 KiB of workgroup memory are granted everywhere.
    let mut k = tile.k_step;
    while (rows + columns) * k * 4 > 16_384 {
        k /= 2;
    }
    let mut out = String::new();
    let _ = writeln!(out, "var<workgroup> {entry}_a: array<vec4<f32>, {}>;", rows / 4 * k);
    let _ = writeln!(out, "var<workgroup> {entry}_b: array<vec4<f32>, {}>;", columns / 4 * k);
    head(m, &mut out);
    let _ = writeln!(
        out,
        "    let across = lane % {across}u;\n    let down = lane / {across}u;\n    let i = i0 + down * {}u;\n    let j = j0 + across * {}u;",
        tile.rows, tile.columns
    );
    accumulators(m, &mut out);
    let _ = writeln!(out, "    for (var s0 = s_begin; s0 < s_end; s0 += {k}u) {{");
    let call_a = |c: usize| format!("{a}(i0 + quad * 4u + {c}u, s0 + s, s_end)");
    let call_b = |c: usize| format!("{b}(s0 + s, j0 + quad * 4u + {c}u, s_end)");
    fill(&format!("{entry}_a"), &call_a, rows / 4, k, tile.threads, m.a_along_s, &mut out);
    fill(&format!("{entry}_b"), &call_b, columns / 4, k, tile.threads, m.b_along_s, &mut out);
    let _ = writeln!(out, "        workgroupBarrier();\n        for (var s = 0u; s < {k}u; s++) {{");
    for q in 0..tile.columns / 4 {
        let _ = writeln!(out, "            let bv_{q} = {entry}_b[s * {}u + across * {}u + {q}u];", columns / 4, tile.columns / 4);
    }
    for q in 0..tile.rows / 4 {
        let _ = writeln!(out, "            let aq_{q} = {entry}_a[s * {}u + down * {}u + {q}u];", rows / 4, tile.rows / 4);
        for (c, name) in ["x", "y", "z", "w"].iter().enumerate() {
            let _ = writeln!(out, "            let av_{} = aq_{q}.{name};", 4 * q + c);
        }
    }
    multiply(m, "            ", &mut out);
    out.push_str("        }\n        workgroupBarrier();\n    }\n");
    stores(m, &mut out);
    out
}

/// Lanes of a subgroup hold neighbouring columns; each loads rows of a, which are handed round by broadcasts with literal lanes. Tall in
/// rows: `tile.rows` accumulators of four columns a lane.
fn subgroup(m: &Matmul) -> String {
    let Matmul { a, b, tile, .. } = m;
    let lanes = tile.lanes;
    let mut out = String::new();
    head(m, &mut out);
    let _ = writeln!(
        out,
        "    let across = sub;\n    let i = i0 + (lane / {lanes}u) * {}u;\n    let j = j0 + across * {}u;",
        tile.rows, tile.columns
    );
    accumulators(m, &mut out);
    out.push_str("    for (var s = s_begin; s < s_end; s++) {\n");
    for q in 0..tile.columns / 4 {
        let at = |c: usize| format!("{b}(s, j + {}u, s_end)", 4 * q + c);
        let _ = writeln!(out, "        let bv_{q} = vec4<f32>({}, {}, {}, {});", at(0), at(1), at(2), at(3));
    }
    for g in 0..tile.rows / lanes {
        let _ = writeln!(out, "        let own_{g} = {a}(i + {}u + sub, s, s_end);", g * lanes);
    }
    for r in 0..tile.rows {
        let _ = writeln!(out, "        let av_{r} = subgroupBroadcast(own_{}, {}u);", r / lanes, r % lanes);
    }
    multiply(m, "        ", &mut out);
    out.push_str("    }\n");
    stores(m, &mut out);
    out
}
