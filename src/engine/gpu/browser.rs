//! Browser functions that wgpu does not provide: the adapter's names, and a turn of the event loop.

use js_sys::{Object, Promise, Reflect};
use std::cell::RefCell;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

/// A property given by its path; `undefined` if any part is missing.
fn get(root: &JsValue, path: &[&str]) -> JsValue {
    path.iter().fold(root.clone(), |at, name| Reflect::get(&at, &(*name).into()).unwrap_or(JsValue::UNDEFINED))
}

fn text(root: &JsValue, path: &[&str]) -> String {
    get(root, path).as_string().unwrap_or_default()
}

/// Names of the adapter from `GPUAdapterInfo` (<https://www.w3.org/TR/webgpu/#gpuadapterinfo>), and of the browser. The browser version
/// replaces the versions of the driver and the shader compiler, because another browser may round differently.
pub(super) async fn describe(mut info: wgpu::AdapterInfo) -> wgpu::AdapterInfo {
    let navigator = get(&js_sys::global(), &["navigator"]);
    let adapter = adapter(&navigator).await.unwrap_or(JsValue::UNDEFINED);
    let part = |name| text(&adapter, &["info", name]);
    let (vendor, architecture, device, description) = (part("vendor"), part("architecture"), part("device"), part("description"));
    let named: Vec<&str> = [&*vendor, &*architecture].into_iter().filter(|s| !s.is_empty()).collect();
    info.driver = named.join("-");
    let readable = if description.is_empty() { device } else { description };
    info.name = [named.join(" "), readable].into_iter().filter(|s| !s.is_empty()).collect::<Vec<_>>().join(", ");
    info.driver_info = browser(&navigator);
    info
}

/// The adapter that JavaScript gets for the same request.
async fn adapter(navigator: &JsValue) -> Result<JsValue, JsValue> {
    let gpu = get(navigator, &["gpu"]);
    let request: js_sys::Function = get(&gpu, &["requestAdapter"]).dyn_into()?;
    let options = Object::new();
    Reflect::set(&options, &"powerPreference".into(), &"high-performance".into())?;
    let promise: Promise = request.call1(&gpu, &options)?.dyn_into()?;
    JsFuture::from(promise).await
}

/// Name and major version of the browser, such as "Chromium 156", from `NavigatorUAData` or else from the user agent string.
fn browser(navigator: &JsValue) -> String {
    let brands = js_sys::Array::from(&get(navigator, &["userAgentData", "brands"]));
    let named = |b: &JsValue| (text(b, &["brand"]), text(b, &["version"]));
    // Browsers add a random brand to the list, so that code does not rely on its order.
    if let Some((brand, version)) = brands.iter().map(|b| named(&b)).find(|(brand, _)| brand == "Chromium") {
        return format!("{brand} {version}");
    }
    let agent = text(navigator, &["userAgent"]);
    let version = |name: &str| {
        let rest = agent.split_once(&format!("{name}/"))?.1;
        rest.split(|c: char| !c.is_ascii_digit()).next().filter(|v| !v.is_empty()).map(str::to_owned)
    };
    let known = [("Firefox", "Firefox"), ("Chrome", "Chromium"), ("Version", "Safari")];
    known.iter().find_map(|(key, name)| Some(format!("{name} {}", version(key)?))).unwrap_or_else(|| "browser".into())
}

thread_local! {
    static CHANNEL: RefCell<Option<web_sys::MessageChannel>> = const { RefCell::new(None) };
}

/// One turn of the event loop. Uses a message channel, because browsers do not throttle messages (nested timers wait 4 ms).
pub(super) async fn turn() {
    let turn = Promise::new(&mut |resolve, _| {
        let posted = CHANNEL.with_borrow_mut(|slot| {
            if slot.is_none() {
                *slot = Some(web_sys::MessageChannel::new()?);
            }
            let Some(channel) = slot else { return Ok(()) };
            channel.port1().set_onmessage(Some(&resolve));
            channel.port2().post_message(&JsValue::NULL)
        });
        if posted.is_err() {
            // Without a channel, the promise resolves at once. The loop still works, but the worker handles no messages until it ends.
            let _ = resolve.call0(&JsValue::NULL);
        }
    });
    // This promise never rejects.
    let _ = JsFuture::from(turn).await;
}
