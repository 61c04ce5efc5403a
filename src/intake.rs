//! Conversion of other formats to CSV in a browser. `cargo xtask web build` makes a wasm module of its own from it, which
//! `web/intake-worker.js` loads only if a file needs it.

use crate::data::formats::to_csv;
use wasm_bindgen::prelude::*;

/// Converts a Parquet, Arrow, NPZ, NPY or zstd file to CSV. `keys` is a text from `Engine::array_keys`.
///
/// # Errors
/// The message, which begins with the name of the file.
#[wasm_bindgen]
#[expect(unreachable_pub, reason = "wasm-bindgen exports only public functions")]
pub fn convert(bytes: Vec<u8>, name: &str, keys: &str) -> Result<Vec<u8>, JsValue> {
    std::panic::set_hook(Box::new(|info| {
        let _ = js_sys::Reflect::set(&js_sys::global(), &"pgatPanic".into(), &info.to_string().into());
    }));
    let keys = serde_json::from_str(keys).map_err(|e| JsValue::from(format!("keys of the array: {e}")))?;
    to_csv(bytes, keys).map_err(|e| JsValue::from(format!("{name}: {e}")))
}
