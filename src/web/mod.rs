//! The engine in a browser's Web Worker: what `web/worker.js` calls. Answers are JSON of the types in `web/protocol.d.ts`; nothing is
//! computed here that the command line does not compute with the same functions.

mod failure;
mod messages;
mod work;

use crate::data::Part;
use crate::evaluate::ForecastOptions;
use crate::executor::Backend;
use crate::gpu::Gpu;
use crate::ops::OPS;
use crate::selftest::{check_case, check_model};
use crate::starter::starter;
use crate::train::{Control, Event};
use failure::Failure;
use messages::{ForecastView, Scored, SelfTested, Trained, WebEvent};
use std::sync::Arc;
use wasm_bindgen::prelude::*;
use work::Work;

/// A panic kills the module: its message is left where the worker finds it.
fn keep_panics() {
    std::panic::set_hook(Box::new(|info| {
        let _ = js_sys::Reflect::set(&js_sys::global(), &"pgatPanic".into(), &info.to_string().into());
    }));
}

/// The listener of a worker: `(event: string, run?: Uint8Array) => boolean`, true for a wish to pause.
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

fn part(name: &str) -> Result<Part, Failure> {
    match name {
        "validation" => Ok(Part::Validation),
        "test" => Ok(Part::Test),
        other => Err(Failure::bug(format!("there is no part \"{other}\""))),
    }
}

/// A device and at most one run.
#[wasm_bindgen]
pub struct Engine {
    gpu: Arc<Gpu>,
    listener: Listener,
    work: Option<Work>,
}

/// A handle by which a test destroys the device, as a driver's reset would.
#[wasm_bindgen]
pub struct Device(Arc<Gpu>);

#[wasm_bindgen]
impl Device {
    /// Destroys it.
    pub fn destroy(&self) {
        self.0.destroy();
    }
}

#[wasm_bindgen]
impl Engine {
    /// Opens the browser's adapter.
    ///
    /// # Errors
    /// A [`Failure`]: there is no WebGPU, no adapter, or no device.
    pub async fn open(listener: js_sys::Function) -> Result<Engine, JsValue> {
        keep_panics();
        let gpu = Arc::new(Gpu::open(None).await.map_err(Failure::from)?);
        Ok(Self { gpu, listener: Listener(listener), work: None })
    }

    /// What it runs on.
    pub fn adapter(&self) -> Result<String, JsValue> {
        answer(&self.gpu.adapter)
    }

    /// The device of the moment.
    pub fn device(&self) -> Device {
        Device(self.current())
    }

    /// A config guessed for a CSV file.
    pub fn starter(&self, csv: &[u8], file: &str) -> Result<String, JsValue> {
        answer(&starter(csv, file).map_err(Failure::from)?)
    }

    /// Reads config and data and plans the model. The run before is forgotten only if all of it succeeds.
    pub fn load(&mut self, config: &str, csv: &[u8], file: &str) -> Result<String, JsValue> {
        let backend = Backend::Gpu(self.current());
        let (work, loaded) = Work::begin(config, csv, file, &backend)?;
        self.work = Some(work);
        answer(&loaded)
    }

    /// Opens a run file with its data, to go on within `memory` instead of the run's own budget; an empty one is the default. The run
    /// before is forgotten only if all of it succeeds.
    pub fn restore(&mut self, run: &[u8], csv: &[u8], file: &str, memory: Option<String>) -> Result<String, JsValue> {
        let backend = Backend::Gpu(self.current());
        let (work, loaded) = Work::reopen(run, csv, file, memory, &backend)?;
        self.work = Some(work);
        answer(&loaded)
    }

    /// Trains to the end, or until the listener wishes to pause.
    pub async fn train(&mut self) -> Result<String, JsValue> {
        self.ready().await?;
        let listener = self.listener.clone();
        let work = self.work()?;
        let archive = work.archive.clone();
        let mut pack_failed = None;
        let mut listen = |event: &Event| match event {
            Event::Checkpoint { .. } => match archive.pack() {
                Ok(run) => listener.tell(event, Some(&run)),
                Err(e) => {
                    pack_failed = Some(e);
                    Control::Stop
                }
            },
            _ => listener.tell(event, None),
        };
        let training = work.training()?;
        let outcome = training.run(&mut listen).await.map_err(Failure::from)?;
        if let Some(e) = pack_failed {
            return Err(Failure::from(e).into());
        }
        let progress = training.progress();
        answer(&Trained {
            outcome,
            step: progress.step,
            total: training.total_steps(),
            created_bytes: training.session().executor().created_bytes(),
            best_loss: progress.best_loss,
            best_step: progress.best_step,
        })
    }

    /// Scores a part with the best weights so far.
    pub async fn evaluate(&mut self, name: String) -> Result<String, JsValue> {
        let part = part(&name)?;
        self.ready().await?;
        let listener = self.listener.clone();
        let tell = |done, total| {
            listener.tell(&WebEvent::Scored { done, total }, None);
        };
        let evaluation = self.work()?.training()?.evaluate(part, tell).await.map_err(Failure::from)?;
        answer(&Scored { verdict: evaluation.verdict(), evaluation })
    }

    /// Forecasts one window of a part with the best weights so far.
    pub async fn forecast(&mut self, name: String, window: usize, levels: Vec<f64>) -> Result<String, JsValue> {
        let part = part(&name)?;
        self.ready().await?;
        let training = self.work()?.training()?;
        let options = ForecastOptions { levels, samples: 0, seed: training.experiment().config().training.seed };
        let made = training.forecast_window((part, window), &options).await.map_err(Failure::from)?;
        answer(&ForecastView::new(part, window, &made))
    }

    /// The run as one file.
    pub fn run(&self) -> Result<js_sys::Uint8Array, JsValue> {
        let work = self.work.as_ref().ok_or_else(Failure::nothing_loaded)?;
        Ok(js_sys::Uint8Array::from(&*work.pack()?))
    }

    /// A name for that file.
    #[wasm_bindgen(js_name = runName)]
    pub fn run_name(&self) -> Result<String, JsValue> {
        Ok(self.work.as_ref().ok_or_else(Failure::nothing_loaded)?.file_name())
    }

    /// Every case of every op on the device against the f64 twins, and the whole model against PyTorch's results in a golden file.
    #[wasm_bindgen(js_name = selfTest)]
    pub async fn self_test(&mut self, golden: Vec<u8>) -> Result<String, JsValue> {
        if self.gpu.healthy().is_err() {
            self.gpu = Arc::new(Gpu::open(None).await.map_err(Failure::from)?);
        }
        let total = 1 + OPS.iter().map(|op| (op.cases)().len()).sum::<usize>();
        let mut tested = SelfTested::default();
        for op in OPS {
            for (case, seed) in (op.cases)().iter().zip(1..) {
                let times = check_case(&self.gpu, op, case, seed).await.map_err(Failure::from)?;
                tested.add(op.name, case.name, times);
                let event = WebEvent::Case { op: op.name, name: case.name, done: tested.cases, total, times };
                self.listener.tell(&event, None);
            }
        }
        let (times, _) = check_model(&self.gpu, &golden).await.map_err(Failure::from)?;
        tested.add("model", "whole", times);
        self.listener.tell(&WebEvent::Case { op: "model", name: "whole", done: tested.cases, total, times }, None);
        answer(&tested)
    }
}

impl Engine {
    /// The device of the run, which may have been replaced; else the one that was opened.
    fn current(&self) -> Arc<Gpu> {
        let of_run = self.work.as_ref().and_then(Work::gpu);
        of_run.unwrap_or_else(|| self.gpu.clone())
    }

    fn work(&mut self) -> Result<&mut Work, Failure> {
        self.work.as_mut().ok_or_else(Failure::nothing_loaded)
    }

    /// Makes sure that the loaded run is compiled on a device that works.
    async fn ready(&mut self) -> Result<(), Failure> {
        let (gpu, listener) = (self.current(), self.listener.clone());
        let work = self.work()?;
        if work.training.is_none() {
            listener.tell(&WebEvent::Compiling, None);
            let gpu = if gpu.healthy().is_ok() { gpu } else { Arc::new(Gpu::open(None).await?) };
            work.compile(Backend::Gpu(gpu.clone())).await?;
            self.gpu = gpu;
        }
        Ok(())
    }
}
