// Axial attention: the part that its kernels share. src/engine/ops/generator/attention.rs generates the kernels.
//   s_ij = scale q_i . k_j;  lse_i = log sum_j exp s_ij;  p_ij = exp(s_ij - lse_i);  y_i = sum_j p_ij v_j
//   delta_i = dy_i . y_i;  ds_ij = p_ij (dy_i . v_j - delta_i)
//   dq_i = scale sum_j ds_ij k_j;  dk_j = scale sum_i ds_ij q_i;  dv_j = sum_i p_ij dy_i
// i and j run along a line: the steps of a node, or the nodes of a step. A dispatch processes one axis and the heads of that axis (grid y).
// One invocation owns ROWS consecutive positions of a line, for one head: queries (forward, dq) or keys (dkv); it iterates over the line
// once. Positions beyond the end repeat the last one and are not stored. The softmax is computed in a stream: nothing of length x length is
// stored.
// The generator puts these in front: Vector (vec4, vec2 or f32), LANES (floats per Vector), HEAD_WIDTH, ROWS, and put_q, put_kv, which
// store a part of dq or dkv. HEAD_WIDTH is a multiple of LANES, as is every base of a Vector array.
// y, lse and delta are overwritten; put_q and put_kv overwrite or add to the columns of the dispatch's heads, as the plan requires.
struct Params {
    window0: u32,
    windows: u32,
    first: u32,
    count: u32,            // invocations per window and head: lines * chunks
    heads: u32,
    head0: u32,            // first head of this axis
    tokens: u32,           // per window
    lines: u32,            // per window
    length: u32,           // positions per line
    line_stride: u32,      // tokens between neighbouring lines
    position_stride: u32,  // tokens between neighbouring positions
    chunks: u32,           // invocations per line: ceil(length / ROWS)
    rows: u32,             // ROWS and PARTS as values, so that compilers do not unroll loops
    parts: u32,
    lines_first: u32,      // 1: neighbouring invocations process neighbouring lines; 0: neighbouring chunks of a line
    scale: f32,            // 1 / sqrt(HEAD_WIDTH)
    q_base: u32,
    kv_base: u32,
    y_base: u32,
    lse_base: u32,
    d_y_base: u32,
    d_q_base: u32,
    d_kv_base: u32,
    delta_base: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> q: array<Vector>;
@group(0) @binding(3) var<storage, read_write> kv: array<Vector>;
@group(0) @binding(4) var<storage, read_write> y: array<Vector>;
@group(0) @binding(5) var<storage, read_write> lse: array<f32>;
@group(0) @binding(6) var<storage, read_write> d_y: array<Vector>;
@group(0) @binding(7) var<storage, read_write> d_q: array<Vector>;
@group(0) @binding(8) var<storage, read_write> d_kv: array<Vector>;
@group(0) @binding(9) var<storage, read_write> delta: array<f32>;

const PARTS: u32 = HEAD_WIDTH / LANES;

// First token of the item's line (over all windows), and the first position that the item owns.
fn locate(item: u32) -> vec2<u32> {
    let window = item / params.count;
    let within = item % params.count;
    var line = within / params.chunks;
    var chunk = within % params.chunks;
    if params.lines_first != 0u {
        line = within % params.lines;
        chunk = within / params.lines;
    }
    return vec2<u32>(window * params.tokens + line * params.line_stride, chunk * ROWS);
}

// The token at a position of the line; the last token for positions beyond the end.
fn token_at(line: u32, position: u32) -> u32 {
    return line + min(position, params.length - 1u) * params.position_stride;
}

// Index, without the base, of the part of a token that belongs to a head: in q and tensors like it, of k in kv (v starts `heads * PARTS`
// later), in lse.
fn row_at(token: u32, head: u32) -> u32 {
    return (token * params.heads + head) * PARTS;
}

fn key_at(token: u32, head: u32) -> u32 {
    return (2u * token * params.heads + head) * PARTS;
}

fn scalar_at(token: u32, head: u32) -> u32 {
    return token * params.heads + head;
}

