//! The WGSL text of a tiled matrix product `out[i, j] = sum_s a(i, s) b(s, j)`.
//!
//! The text accesses operands and result four elements at a time, through functions in the WGSL text of the op. So one loop nest serves
//! products by rows, products by columns and convolutions. An operand `a` has two functions: `a_at(i) -> u32`, which is called once per row
//! outside the loop and clamps to existing rows, and `a(at, i, s) -> vec4<f32>`. If s is consecutive in memory ([`Operand::along_s`]), the
//! four elements are `s .. s + 4` of row i; otherwise they are rows `i .. i + 4` at s. Sums run over s in ascending order for every tile.

use super::{Broadcast, Tile};
use std::fmt::Write;

/// One side of a product.
#[derive(Clone, Copy, Debug)]
pub struct Operand<'a> {
    /// Prefix of the names of its functions.
    pub name: &'a str,
    /// Whether consecutive s are consecutive in memory. If not, consecutive i (or j) are; if subgroups share rows, there is also a function
    /// `name_pair(at, i, s) -> vec2<f32>`.
    pub along_s: bool,
}

/// How often the loop over s runs, and over which operands.
#[derive(Clone, Copy, Debug, Default)]
pub enum Repeat<'a> {
    /// Once.
    #[default]
    Once,
    /// Once for each of several pairs of operands. The names of their functions end in the number of the pair: `a0`, `a1`, ..
    Each(usize),
    /// Once for each slice from `slice_begin` to `slice_end`, which the prologue defines. The functions read it from
    /// `var<private> slice: u32`.
    Slices(Option<Fold<'a>>),
}

/// What happens to the sums at the last slice of each branch. `store` then receives, beside row and column, the sum over branches of
/// relu(value), a vec4, and the bits of all branches, a u32.
#[derive(Clone, Copy, Debug)]
pub struct Fold<'a> {
    /// `name(slice) -> bool`: whether the slice is the last of a branch.
    pub ends: &'a str,
    /// `name(j, vec4) -> vec4`: the value of the branch from its sums.
    pub value: &'a str,
    /// `name(vec4) -> u32`: a bit for each positive value of the branch; each branch uses different bits.
    pub bits: &'a str,
}

/// The parts of a product. `b` may be along s only if `a` is.
#[derive(Clone, Copy)]
pub struct Matmul<'a> {
    /// Entry point.
    pub entry: &'a str,
    /// Shape of the tile.
    pub tile: Tile,
    /// Extent of j, if it is known to be small.
    pub columns: usize,
    /// Statements that define `i0`, `j0`, `s_begin`, `s_end` (uniform over the workgroup); they may use `TILE_ROWS` and `TILE_COLUMNS`.
    pub prologue: &'a str,
    /// Left side.
    pub a: Operand<'a>,
    /// Right side.
    pub b: Operand<'a>,
    /// Start of the call that stores four columns, `name(extra i, j, vec4)`, up to and including the extra arguments. The function guards
    /// the edges.
    pub store: &'a str,
    /// Call that stores the sums of a over s, `name(extra i, vec4)`, from the invocations with j = 0; only for an `a` that is not along s.
    pub row_sums: Option<&'a str>,
    /// How often the loop over s runs.
    pub repeat: Repeat<'a>,
}

const PARTS: [&str; 4] = ["x", "y", "z", "w"];

/// The tile with no more subgroups than an output of `rows` rows can use.
#[must_use]
pub fn fit(tile: Tile, rows: usize) -> Tile {
    if tile.broadcast != Broadcast::Subgroup {
        return tile;
    }
    Tile { threads: tile.threads.min(tile.lanes * rows.div_ceil(tile.rows)), ..tile }
}

/// Number of rows and columns of the output that a workgroup covers.
#[must_use]
pub fn extent(tile: Tile, columns: usize) -> (usize, usize) {
    let (across, down) = threads(tile, columns);
    (down * tile.rows, across * tile.columns)
}

/// Number of invocations across and down the tile of a workgroup: narrow outputs get tall tiles.
fn threads(tile: Tile, columns: usize) -> (usize, usize) {
    if tile.broadcast == Broadcast::Subgroup {
        return (tile.lanes, tile.threads / tile.lanes);
    }
    let most = (1_usize << (tile.threads.ilog2() / 2)).max(4);
    // In workgroup memory, four steps of a tile that is too tall would exceed the guaranteed size.
    let least = if tile.broadcast == Broadcast::Workgroup { 4 } else { 1 };
    let across = columns.div_ceil(tile.columns).next_power_of_two().clamp(least, most);
    (across, tile.threads / across)
}

/// Writes the entry point.
///
/// # Panics
/// Panics if only `b` is along s.
#[must_use]
pub fn text(m: &Matmul) -> String {
    assert!(m.a.along_s || !m.b.along_s, "{}: only the right operand is along s", m.entry);
    let mut out = String::new();
    match m.tile.broadcast {
        Broadcast::None => registers(m, &mut out),
        Broadcast::Workgroup => workgroup(m, &mut out),
        Broadcast::Subgroup => subgroup(m, &mut out),
    }
    out
}

fn line(out: &mut String, depth: usize, text: impl std::fmt::Display) {
    let _ = writeln!(out, "{:1$}{text}", "", 4 * depth);
}

/// Writes the start of the entry point: `i` and `j` are the first row and column of the invocation.
fn head(m: &Matmul, out: &mut String) {
    let (rows, columns) = extent(m.tile, m.columns);
    let (across, _) = threads(m.tile, m.columns);
    let shared = m.tile.broadcast == Broadcast::Subgroup;
    let argument = if shared { ", @builtin(subgroup_invocation_id) sub: u32" } else { "" };
    let prologue = m.prologue.replace("TILE_ROWS", &format!("{rows}u")).replace("TILE_COLUMNS", &format!("{columns}u"));
    line(out, 0, format_args!("@compute @workgroup_size({})", m.tile.threads));
    line(
        out,
        0,
        format_args!(
            "fn {}(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32{argument}) {{\n{prologue}",
            m.entry
        ),
    );
    let column = if shared { "sub".to_owned() } else { format!("(lane % {across}u)") };
    line(out, 1, format_args!("let i = i0 + (lane / {across}u) * {}u;", m.tile.rows));
    line(out, 1, format_args!("let j = j0 + {column} * {}u;", m.tile.columns));
    for r in 0..m.tile.rows {
        for q in 0..m.tile.columns / 4 {
            line(out, 1, format_args!("var acc_{r}_{q} = vec4<f32>();"));
            if let Repeat::Slices(Some(_)) = m.repeat {
                line(out, 1, format_args!("var total_{r}_{q} = vec4<f32>();\n    var word_{r}_{q} = 0u;"));
            }
        }
    }
}

fn stores(m: &Matmul, out: &mut String) {
    let folded = matches!(m.repeat, Repeat::Slices(Some(_)));
    for r in 0..m.tile.rows {
        for q in 0..m.tile.columns / 4 {
            let value = if folded { format!("total_{r}_{q}, word_{r}_{q}") } else { format!("acc_{r}_{q}") };
            line(out, 1, format_args!("{} i + {r}u, j + {}u, {value});", m.store, 4 * q));
        }
    }
    out.push_str("}\n");
}

/// Writes the loop over s as often as `m.repeat` requires.
fn repeated(m: &Matmul, body: impl Fn(&Matmul, &mut String), out: &mut String) {
    match m.repeat {
        Repeat::Once => body(m, out),
        Repeat::Each(n) => {
            for k in 0..n {
                let (a, b) = (format!("{}{k}", m.a.name), format!("{}{k}", m.b.name));
                line(out, 1, "{");
                body(&Matmul { a: Operand { name: &a, ..m.a }, b: Operand { name: &b, ..m.b }, ..*m }, out);
                line(out, 1, "}");
            }
        }
        Repeat::Slices(fold) => {
            line(out, 1, "for (var turn = slice_begin; turn < slice_end; turn++) {\n    slice = turn;");
            body(m, out);
            if let Some(fold) = fold {
                line(out, 1, format_args!("if {}(turn) {{", fold.ends));
                for r in 0..m.tile.rows {
                    for q in 0..m.tile.columns / 4 {
                        line(out, 2, format_args!("let v_{r}_{q} = {}(j + {}u, acc_{r}_{q});", fold.value, 4 * q));
                        line(out, 2, format_args!("total_{r}_{q} += max(v_{r}_{q}, vec4<f32>());"));
                        line(out, 2, format_args!("word_{r}_{q} |= {}(v_{r}_{q});\n        acc_{r}_{q} = vec4<f32>();", fold.bits));
                    }
                }
                line(out, 1, "}");
            }
            line(out, 1, "}");
        }
    }
}

/// Declares the row sums, if the product has any, outside all repetitions.
fn declare_sums(m: &Matmul, quads: usize, out: &mut String) {
    if m.row_sums.is_some() {
        (0..quads).for_each(|r| line(out, 1, format_args!("var sum_{r} = vec4<f32>();")));
    }
}

/// Writes `acc += a b` at one s; `a(r)` is the text of a scalar, `b_{q}` that of a quad.
fn multiply(m: &Matmul, depth: usize, a: &dyn Fn(usize) -> String, b: &dyn Fn(usize) -> String, out: &mut String) {
    for r in 0..m.tile.rows {
        let scalar = a(r);
        for q in 0..m.tile.columns / 4 {
            line(out, depth, format_args!("acc_{r}_{q} = fma(vec4<f32>({scalar}), {}, acc_{r}_{q});", b(q)));
        }
    }
}

/// Writes four steps of s from rows `av_{row}` (or the text that `a` returns) along s and, depending on `b.along_s`, columns `bv_{column}`
/// along s or quads `bv_{s}_{quad}`.
fn multiply_quad(m: &Matmul, depth: usize, a: &dyn Fn(usize, usize, &mut String) -> String, out: &mut String) {
    for (s, part) in PARTS.iter().enumerate() {
        if m.b.along_s {
            for q in 0..m.tile.columns / 4 {
                let quad: Vec<_> = (0..4).map(|c| format!("bv_{}.{part}", 4 * q + c)).collect();
                line(out, depth, format_args!("let bv_{s}_{q} = vec4<f32>({});", quad.join(", ")));
            }
        }
        let rows: Vec<String> = (0..m.tile.rows).map(|r| a(r, s, out)).collect();
        multiply(m, depth, &|r| rows[r].clone(), &|q| format!("bv_{s}_{q}"), out);
    }
}

/// Declares the start of each column, or of each quad of columns.
fn right_starts(m: &Matmul, out: &mut String) {
    let step = if m.b.along_s { 1 } else { 4 };
    for c in 0..m.tile.columns / step {
        line(out, 1, format_args!("let b_at_{c} = {}_at(j + {}u);", m.b.name, step * c));
    }
}

/// Loads the right operand for four steps of s, starting at `s` (for one step, if a is not along s).
fn right_loads(m: &Matmul, out: &mut String) {
    let name = m.b.name;
    if m.b.along_s {
        for c in 0..m.tile.columns {
            line(out, 2, format_args!("let bv_{c} = {name}(b_at_{c}, j + {c}u, s);"));
        }
        return;
    }
    for s in 0..if m.a.along_s { 4 } else { 1 } {
        for q in 0..m.tile.columns / 4 {
            line(out, 2, format_args!("let bv_{s}_{q} = {name}(b_at_{q}, j + {}u, s + {s}u);", 4 * q));
        }
    }
}

/// Every invocation loads its own operands.
fn registers(m: &Matmul, out: &mut String) {
    head(m, out);
    declare_sums(m, m.tile.rows / 4, out);
    repeated(m, registers_loop, out);
    sums_of_quads(m, out);
    stores(m, out);
}

fn registers_loop(m: &Matmul, out: &mut String) {
    let (a, tile) = (m.a.name, m.tile);
    right_starts(m, out);
    let step = if m.a.along_s { 1 } else { 4 };
    for r in 0..tile.rows / step {
        line(out, 1, format_args!("let a_at_{r} = {a}_at(i + {}u);", step * r));
    }
    line(out, 1, format_args!("for (var s = s_begin; s < s_end; s += {}u) {{", 5 - step));
    right_loads(m, out);
    for r in 0..tile.rows / step {
        line(out, 2, format_args!("let av_{r} = {a}(a_at_{r}, i + {}u, s);", step * r));
        if m.row_sums.is_some() {
            line(out, 2, format_args!("sum_{r} += av_{r};"));
        }
    }
    if m.a.along_s {
        multiply_quad(m, 2, &|r, s, _| format!("av_{r}.{}", PARTS[s]), out);
    } else {
        multiply(m, 2, &|r| format!("av_{}.{}", r / 4, PARTS[r % 4]), &|q| format!("bv_0_{q}"), out);
    }
    line(out, 1, "}");
}

/// Stores the row sums, four per quad.
fn sums_of_quads(m: &Matmul, out: &mut String) {
    if let Some(call) = m.row_sums {
        line(out, 1, "if j == 0u {");
        for r in 0..m.tile.rows / 4 {
            line(out, 2, format_args!("{call} i + {}u, sum_{r});", 4 * r));
        }
        line(out, 1, "}");
    }
}

/// Copies a tile of an operand into workgroup memory in the order of its memory: rows of `k / 4` quads along s (with one quad of padding
/// against bank conflicts), or one row of quads for each s.
fn fill(m: &Matmul, side: Operand, letter: char, extent: usize, k: usize, out: &mut String) {
    let (name, index, threads) = (side.name, if letter == 'a' { 'i' } else { 'j' }, m.tile.threads);
    let across = if side.along_s { k / 4 } else { extent / 4 };
    line(out, 2, format_args!("for (var e = lane; e < {}u; e += {threads}u) {{", extent * k / 4));
    if side.along_s {
        line(out, 3, format_args!("let at = {index}0 + e / {across}u;\n            let s = s0 + 4u * (e % {across}u);"));
        line(out, 3, format_args!("if s < s_end {{ {}_{letter}[e + e / {across}u] = {name}({name}_at(at), at, s); }}", m.entry));
    } else {
        line(out, 3, format_args!("let at = {index}0 + 4u * (e % {across}u);\n            let s = s0 + e / {across}u;"));
        line(out, 3, "var quad = vec4<f32>();");
        line(out, 3, format_args!("if s < s_end {{ quad = {name}({name}_at(at), at, s); }}\n            {}_{letter}[e] = quad;", m.entry));
    }
    line(out, 2, "}");
}

/// The operands are staged in workgroup memory.
fn workgroup(m: &Matmul, out: &mut String) {
    let (across, _) = threads(m.tile, m.columns);
    let (rows, columns) = extent(m.tile, m.columns);
    let Matmul { entry, tile, .. } = *m;
    let quads = |side: Operand, extent: usize, k: usize| if side.along_s { extent * (k / 4 + 1) } else { extent * k / 4 };
    // Every adapter grants 16 KiB of workgroup memory.
    let mut k = tile.k_step.next_multiple_of(4);
    while k > 4 && 16 * (quads(m.a, rows, k) + quads(m.b, columns, k)) > 16_384 {
        k = (k / 2).next_multiple_of(4);
    }
    line(out, 0, format_args!("var<workgroup> {entry}_a: array<vec4<f32>, {}>;", quads(m.a, rows, k)));
    line(out, 0, format_args!("var<workgroup> {entry}_b: array<vec4<f32>, {}>;", quads(m.b, columns, k)));
    head(m, out);
    declare_sums(m, tile.rows / 4, out);
    line(out, 1, format_args!("let down = (lane / {across}u) * {}u;\n    let right = (lane % {across}u) * {}u;", tile.rows, tile.columns));
    repeated(m, |m, out| workgroup_loop(m, k, out), out);
    sums_of_quads(m, out);
    stores(m, out);
}

fn workgroup_loop(m: &Matmul, k: usize, out: &mut String) {
    let (rows, columns) = extent(m.tile, m.columns);
    let Matmul { entry, tile, .. } = *m;
    line(out, 1, format_args!("for (var s0 = s_begin; s0 < s_end; s0 += {k}u) {{"));
    fill(m, m.a, 'a', rows, k, out);
    fill(m, m.b, 'b', columns, k, out);
    line(out, 2, format_args!("workgroupBarrier();\n        let steps = min({k}u, s_end - s0);"));
    line(out, 2, format_args!("for (var s = 0u; s < steps; s += {}u) {{", if m.a.along_s { 4 } else { 1 }));
    let padded = k / 4 + 1;
    if m.b.along_s {
        (0..tile.columns).for_each(|c| line(out, 3, format_args!("let bv_{c} = {entry}_b[(right + {c}u) * {padded}u + s / 4u];")));
    } else {
        for s in 0..if m.a.along_s { 4 } else { 1 } {
            (0..tile.columns / 4).for_each(|q| {
                line(out, 3, format_args!("let bv_{s}_{q} = {entry}_b[(s + {s}u) * {}u + right / 4u + {q}u];", columns / 4));
            });
        }
    }
    if m.a.along_s {
        (0..tile.rows).for_each(|r| line(out, 3, format_args!("let av_{r} = {entry}_a[(down + {r}u) * {padded}u + s / 4u];")));
        multiply_quad(m, 3, &|r, s, _| format!("av_{r}.{}", PARTS[s]), out);
    } else {
        for r in 0..tile.rows / 4 {
            line(out, 3, format_args!("let av_{r} = {entry}_a[s * {}u + down / 4u + {r}u];", rows / 4));
            if m.row_sums.is_some() {
                line(out, 3, format_args!("sum_{r} += av_{r};"));
            }
        }
        multiply(m, 3, &|r| format!("av_{}.{}", r / 4, PARTS[r % 4]), &|q| format!("bv_0_{q}"), out);
    }
    line(out, 2, "}\n        workgroupBarrier();\n    }");
}

/// The lanes of a subgroup hold neighbouring columns. Each lane loads its share of the rows and distributes it with broadcasts from literal
/// lanes. Along s a lane holds four steps of every `lanes`-th row; otherwise it holds two or four neighbouring rows of one step.
fn subgroup(m: &Matmul, out: &mut String) {
    let held = m.tile.rows / m.tile.lanes;
    head(m, out);
    if !m.a.along_s {
        assert!(held == 2 || held == 4, "{}: {} rows on {} lanes", m.entry, m.tile.rows, m.tile.lanes);
        line(out, 1, format_args!("let a_row = i + {held}u * sub;\n    var sum = vec{held}<f32>();"));
    }
    repeated(m, subgroup_loop, out);
    if let Some(call) = m.row_sums {
        let call = if held == 2 { call.replacen('(', "_pair(", 1) } else { call.to_owned() };
        line(out, 1, format_args!("if j0 == 0u {{ {call} a_row, sum); }}"));
    }
    stores(m, out);
}

fn subgroup_loop(m: &Matmul, out: &mut String) {
    let (a, tile) = (m.a.name, m.tile);
    let (lanes, held) = (tile.lanes, tile.rows / tile.lanes);
    right_starts(m, out);
    let broadcast = |value: String, lane: usize| format!("subgroupBroadcast({value}, {lane}u)");
    if m.a.along_s {
        for g in 0..held {
            line(out, 1, format_args!("let a_row_{g} = i + {}u + sub;\n    let a_at_{g} = {a}_at(a_row_{g});", g * lanes));
        }
        line(out, 1, "for (var s = s_begin; s < s_end; s += 4u) {");
        right_loads(m, out);
        for g in 0..held {
            line(out, 2, format_args!("let own_{g} = {a}(a_at_{g}, a_row_{g}, s);"));
        }
        let row = |r: usize, s: usize, out: &mut String| {
            line(out, 2, format_args!("let av_{s}_{r} = {};", broadcast(format!("own_{}.{}", r / lanes, PARTS[s]), r % lanes)));
            format!("av_{s}_{r}")
        };
        multiply_quad(m, 2, &row, out);
        line(out, 1, "}");
        return;
    }
    line(out, 1, format_args!("let a_at = {a}_at(a_row);"));
    line(out, 1, "for (var s = s_begin; s < s_end; s++) {");
    right_loads(m, out);
    let load = if held == 2 { format!("{a}_pair") } else { a.to_owned() };
    line(out, 2, format_args!("let own = {load}(a_at, a_row, s);"));
    if m.row_sums.is_some() {
        line(out, 2, "sum += own;");
    }
    for r in 0..tile.rows {
        line(out, 2, format_args!("let av_{r} = {};", broadcast(format!("own.{}", PARTS[r % held]), r / held)));
    }
    multiply(m, 2, &|r| format!("av_{r}"), &|q| format!("bv_0_{q}"), out);
    line(out, 1, "}");
}
