//! MODEL.md section 5: the spatio-temporal layer. Today with `use_convolution`, `use_hops` and `use_fusion` off: time = space = LN(x).

use super::{Builder, ModelError};
use crate::graph::TensorId;
use crate::ops::Attrs;

const GELU: u8 = 2;

#[expect(clippy::cast_precision_loss, reason = "counts")]
pub(super) fn build(b: &mut Builder, name: &str, x: TensorId) -> Result<TensorId, ModelError> {
    let (d, heads, d_ff) = (b.width(), b.shape.settings.n_heads, b.shape.settings.d_ff);
    let time = b.norm(&format!("{name}.norm_time"), x, None)?;
    let space = b.norm(&format!("{name}.norm_space"), x, None)?;
    let query = b.linear(&format!("{name}.query"), time, d, true, 0, 0.0)?;
    let key_value = b.linear(&format!("{name}.key_value"), space, 2 * d, true, 0, 0.0)?;
    let attrs = Attrs::new(&[("heads", heads as f64), ("time_heads", (heads / 2) as f64)]);
    let attended = b.graph.apply1("attention", &format!("{name}.attention"), attrs, &[query, key_value])?;
    let change = b.linear(&format!("{name}.attention_out"), attended, d, true, 0, 0.0)?;
    let y = b.norm(&format!("{name}.norm_fusion"), x, Some(change))?;
    let hidden = b.linear(&format!("{name}.ff1"), y, d_ff, true, 0, 0.0)?;
    let out = b.linear(&format!("{name}.ff2"), hidden, d, true, GELU, 0.0)?;
    b.norm(&format!("{name}.norm_out"), y, Some(out))
}
