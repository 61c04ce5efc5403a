//! A clock for native builds and browsers: milliseconds since a fixed moment.

/// Milliseconds since the first call.
#[cfg(not(target_arch = "wasm32"))]
#[must_use]
pub fn milliseconds() -> f64 {
    use std::sync::LazyLock;
    use std::time::Instant;
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    1000.0 * START.elapsed().as_secs_f64()
}

/// Milliseconds since the page was opened, from the `performance` object of a window or a worker.
#[cfg(target_arch = "wasm32")]
#[must_use]
pub fn milliseconds() -> f64 {
    use wasm_bindgen::JsCast as _;
    let performance = js_sys::Reflect::get(&js_sys::global(), &"performance".into()).ok();
    let now = performance.as_ref().and_then(|p| js_sys::Reflect::get(p, &"now".into()).ok()?.dyn_into::<js_sys::Function>().ok());
    performance.zip(now).and_then(|(p, now)| now.call0(&p).ok()?.as_f64()).unwrap_or(0.0)
}
