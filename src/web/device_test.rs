//! The self-test: every kernel on the device of the browser, called by `web/selftest-worker.js`.

use super::failure::Failure;
use super::{Listener, answer, keep_panics};
use crate::gpu::{Gpu, GpuError};
use crate::ops::OPS;
use crate::selftest::{SelfTestError, check_case, check_model};
use serde::Serialize;
use std::sync::Arc;
use wasm_bindgen::prelude::*;

/// A case passed.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum CaseEvent {
    Case { op: &'static str, name: &'static str, done: usize, total: usize, times: f64 },
}

/// The result of the self-test. A failed case ends it with an error.
#[derive(Default, Serialize)]
struct SelfTested {
    cases: usize,
    worst: f64,
    worst_case: String,
}

impl SelfTested {
    fn add(&mut self, op: &str, case: &str, times: f64) {
        self.cases += 1;
        if times >= self.worst {
            self.worst = times;
            self.worst_case = format!("{op}, {case}");
        }
    }
}

impl From<SelfTestError> for Failure {
    fn from(e: SelfTestError) -> Self {
        match e {
            SelfTestError::Gpu(e @ GpuError::Lost(_)) => Self::new("device-lost", e, Some("test the device again")),
            SelfTestError::Gpu(e) => e.into(),
            e => Self::new("bug", format!("a kernel failed on this device: {e}"), Some("please report it with the name of the device")),
        }
    }
}

/// Compares every test case of every op on a device with the f64 reference implementation, and the whole model with the results of PyTorch
/// in a golden file.
///
/// # Errors
/// A [`Failure`] that states what differs, or why there is no device.
#[wasm_bindgen(js_name = selfTest)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports only public functions")]
pub async fn self_test(listener: js_sys::Function, golden: Vec<u8>) -> Result<String, JsValue> {
    keep_panics();
    let listener = Listener(listener);
    let gpu = Arc::new(Gpu::open(None).await.map_err(Failure::from)?);
    let total = 1 + OPS.iter().map(|op| op.cases().len()).sum::<usize>();
    let mut tested = SelfTested::default();
    for op in OPS {
        for (case, seed) in op.cases().iter().zip(1..) {
            let times = check_case(&gpu, op, case, seed).await.map_err(Failure::from)?;
            tested.add(op.name, case.name, times);
            listener.tell(&CaseEvent::Case { op: op.name, name: case.name, done: tested.cases, total, times }, None);
        }
    }
    let (times, _) = check_model(&gpu, &golden).await.map_err(Failure::from)?;
    tested.add("model", "whole", times);
    listener.tell(&CaseEvent::Case { op: "model", name: "whole", done: tested.cases, total, times }, None);
    answer(&tested)
}
