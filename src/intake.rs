//! Conversion of other formats to CSV in a browser. `cargo xtask web build` makes a wasm module of its own from it, which
//! `web/intake-worker.js` loads only if a file needs it.

use crate::data::formats::{ArrayOptions, to_csv};
use serde::Deserialize;
use wasm_bindgen::prelude::*;

/// What the page may choose for arrays.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    array: Option<String>,
    names: Option<Vec<String>>,
    channels: Option<Vec<String>>,
}

/// Converts a Parquet, Arrow, NPZ, NPY or zstd file to CSV. `options` is a JSON object: `array`, `names`, `channels`.
///
/// # Errors
/// The message, which begins with the name of the file.
#[wasm_bindgen]
#[expect(unreachable_pub, reason = "wasm-bindgen exports only public functions")]
pub fn convert(bytes: Vec<u8>, name: &str, options: &str) -> Result<Vec<u8>, JsValue> {
    std::panic::set_hook(Box::new(|info| {
        let _ = js_sys::Reflect::set(&js_sys::global(), &"pgatPanic".into(), &info.to_string().into());
    }));
    let options: Options = serde_json::from_str(options).map_err(|e| JsValue::from(format!("options: {e}")))?;
    let Options { array, names, channels } = options;
    let csv = to_csv(bytes, ArrayOptions { array, names, channels, stamp: None });
    csv.map_err(|e| JsValue::from(format!("{name}: {e}")))
}
