//! The library in Web Workers of a browser. Answers are JSON with the types in `web/protocol.d.ts`. The page has one wasm module with the
//! engine, and one with the self-test, which is loaded only when a user tests the device.

#[cfg(feature = "web")]
mod causes;
#[cfg(feature = "web-selftest")]
mod device_test;
#[cfg(feature = "web")]
mod engine;
mod failure;
#[cfg(feature = "web")]
mod messages;
#[cfg(feature = "web")]
mod work;

use crate::train::Control;
use failure::Failure;
use wasm_bindgen::prelude::*;

/// Stores the message of a panic in a global variable, where the worker reads it. After a panic, the module is unusable.
fn keep_panics() {
    std::panic::set_hook(Box::new(|info| {
        let _ = js_sys::Reflect::set(&js_sys::global(), &"pgatPanic".into(), &info.to_string().into());
    }));
}

/// The listener of a worker: `(event: string, run?: Uint8Array) => boolean`. It returns true to pause.
#[derive(Clone)]
struct Listener(js_sys::Function);

impl Listener {
    fn tell(&self, event: &impl serde::Serialize, run: Option<&[u8]>) -> Control {
        let text = serde_json::to_string(event).unwrap_or_default();
        let run = run.map_or(JsValue::UNDEFINED, |bytes| js_sys::Uint8Array::from(bytes).into());
        let answer = self.0.call2(&JsValue::NULL, &text.into(), &run);
        if answer.is_ok_and(|a| a.is_truthy()) { Control::Stop } else { Control::Continue }
    }
}

fn answer(value: &impl serde::Serialize) -> Result<String, JsValue> {
    serde_json::to_string(value).map_err(|e| Failure::bug(e.to_string()).into())
}
