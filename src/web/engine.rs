//! The engine: one device with at most one run, called by `web/worker.js`. All computations use the same functions as the command line.

use super::failure::Failure;
use super::messages::{DriversView, ForecastView, Scored, Trained, WebEvent};
use super::work::Work;
use super::{Listener, answer, keep_panics};
use crate::config::ArrayKeys;
use crate::data::Part;
use crate::evaluate::ForecastOptions;
use crate::executor::Backend;
use crate::experiment::{Archive, Files as _};
use crate::gpu::Gpu;
use crate::starter::{Options, predicted, starter};
use crate::train::Event;
use std::sync::Arc;
use wasm_bindgen::prelude::*;

fn part(name: &str) -> Result<Part, Failure> {
    match name {
        "validation" => Ok(Part::Validation),
        "test" => Ok(Part::Test),
        other => Err(Failure::bug(format!("there is no part \"{other}\""))),
    }
}

/// A device with at most one run.
#[wasm_bindgen]
pub struct Engine {
    gpu: Arc<Gpu>,
    listener: Listener,
    work: Option<Work>,
}

/// A handle with which a test destroys the device, to simulate a driver reset.
#[wasm_bindgen]
pub struct Device(Arc<Gpu>);

#[wasm_bindgen]
impl Device {
    /// Destroys the device.
    pub fn destroy(&self) {
        self.0.destroy();
    }
}

#[wasm_bindgen]
impl Engine {
    /// Opens the adapter of the browser.
    ///
    /// # Errors
    /// A [`Failure`] if there is no WebGPU, no adapter, or no device.
    pub async fn open(listener: js_sys::Function) -> Result<Engine, JsValue> {
        keep_panics();
        let gpu = Arc::new(Gpu::open(None).await.map_err(Failure::from)?);
        Ok(Self { gpu, listener: Listener(listener), work: None })
    }

    /// The adapter.
    pub fn adapter(&self) -> Result<String, JsValue> {
        answer(&self.gpu.adapter)
    }

    /// The current device.
    pub fn device(&self) -> Device {
        Device(self.current())
    }

    /// A first config for a CSV file. With `no_time`, rows are steps of equal length.
    pub fn starter(&self, csv: &[u8], file: &str, no_time: bool) -> Result<String, JsValue> {
        let backend = Backend::Gpu(self.current());
        let mut predict = |shape: &_, model: &_, training: &_| predicted(&backend, shape, model, training);
        let options = Options { no_time, ..Options::default() };
        answer(&starter(csv, file, &options, &mut predict).map_err(Failure::from)?)
    }

    /// The keys of a config, or of the config in a run file, that decide how an array becomes a table: a text for the conversion. Equal
    /// texts give equal tables. What cannot be read has no keys: loading it says what is wrong with it.
    #[wasm_bindgen(js_name = arrayKeys)]
    pub fn array_keys(&self, config: Option<String>, run: Option<Vec<u8>>) -> Result<String, JsValue> {
        let stored = |run: Vec<u8>| Archive::unpack("the run file", &run).ok()?.read("config.toml").ok();
        let stored = run.and_then(stored).map(|text| String::from_utf8_lossy(&text).into_owned());
        answer(&ArrayKeys::of_config(&stored.or(config).unwrap_or_default()))
    }

    /// Reads config and data and plans the model. The previous run is discarded only on success.
    pub fn load(&mut self, config: &str, csv: &[u8], file: &str) -> Result<String, JsValue> {
        let backend = Backend::Gpu(self.current());
        let (work, loaded) = Work::begin(config, csv, file, &backend)?;
        self.work = Some(work);
        answer(&loaded)
    }

    /// Opens a run file with its data, to resume it within the budget `memory` instead of its own; an empty text is the default budget.
    /// The previous run is discarded only on success.
    pub fn restore(&mut self, run: &[u8], csv: &[u8], file: &str, memory: Option<String>) -> Result<String, JsValue> {
        let backend = Backend::Gpu(self.current());
        let (work, loaded) = Work::reopen(run, csv, file, memory, &backend)?;
        self.work = Some(work);
        answer(&loaded)
    }

    /// Trains to the end, or until the listener requests a pause.
    pub async fn train(&mut self) -> Result<String, JsValue> {
        self.ready().await?;
        let listener = self.listener.clone();
        let work = self.work()?;
        let archive = work.archive.clone();
        let mut listen = |event: &Event| match event {
            Event::Checkpoint { .. } => listener.tell(event, Some(&archive.pack())),
            _ => listener.tell(event, None),
        };
        let training = work.training()?;
        let outcome = training.run(&mut listen).await.map_err(Failure::from)?;
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

    /// Evaluates a part with the best weights so far.
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

    /// The learned graph of the best weights so far, compared with the edge list `truth` if one is given.
    pub async fn drivers(&mut self, truth: Option<Vec<u8>>) -> Result<String, JsValue> {
        self.ready().await?;
        let training = self.work()?.training()?;
        if !training.experiment().config().model.use_driver_highway {
            return answer(&DriversView::default());
        }
        let (graph, recovery) = training.drivers(truth.as_deref()).map_err(Failure::from)?;
        answer(&DriversView::new(graph, recovery))
    }

    /// The run as a run file.
    pub fn run(&self) -> Result<js_sys::Uint8Array, JsValue> {
        let work = self.work.as_ref().ok_or_else(Failure::nothing_loaded)?;
        Ok(js_sys::Uint8Array::from(&*work.pack()?))
    }

    /// A name for the run file.
    #[wasm_bindgen(js_name = runName)]
    pub fn run_name(&self) -> Result<String, JsValue> {
        Ok(self.work.as_ref().ok_or_else(Failure::nothing_loaded)?.file_name())
    }
}

impl Engine {
    /// The device of the run, which can differ from the opened device after a device loss; without a run, the opened device.
    fn current(&self) -> Arc<Gpu> {
        let of_run = self.work.as_ref().and_then(Work::gpu);
        of_run.unwrap_or_else(|| self.gpu.clone())
    }

    fn work(&mut self) -> Result<&mut Work, Failure> {
        self.work.as_mut().ok_or_else(Failure::nothing_loaded)
    }

    /// Ensures that the loaded run is compiled on a working device.
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
