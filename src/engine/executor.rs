//! One interface to both executors: the device, and the f64 reference implementations of the ops (the "twins").

use crate::gpu::{AdapterRecord, Gpu, GpuError, GpuRun};
use crate::graph::TensorId;
#[cfg(feature = "twins")]
use crate::plan::AdapterClass;
use crate::plan::{BufferRole, Plan, PlanOptions};
#[cfg(feature = "twins")]
use crate::reference::Reference;
use crate::step::StepInput;
use std::sync::Arc;

/// A backend that runs recordings.
#[derive(Clone)]
pub enum Backend {
    /// A device.
    Gpu(Arc<Gpu>),
    /// The f64 reference implementations.
    #[cfg(feature = "twins")]
    Reference,
}

impl Backend {
    /// The best adapter, or the best one whose name, backend or driver contains `wanted`.
    ///
    /// # Errors
    /// Fails if there is no adapter, if none matches, or if it provides no device.
    pub async fn open(wanted: Option<&str>) -> Result<Self, GpuError> {
        Ok(Self::Gpu(Arc::new(Gpu::open(wanted).await?)))
    }

    /// Class name of the f64 reference backend.
    pub const REFERENCE: &str = "reference";

    /// Plan options for this backend: its limits, and the kernel shapes of its class.
    #[must_use]
    pub fn plan_options(&self, batch: usize) -> PlanOptions {
        match self {
            Self::Gpu(gpu) => PlanOptions { limits: gpu.limits, granted: gpu.granted, ..PlanOptions::new(batch, gpu.class.clone()) },
            #[cfg(feature = "twins")]
            Self::Reference => PlanOptions::new(batch, AdapterClass::portable_cpu()),
        }
    }

    /// The adapter; `None` for the f64 reference backend.
    #[must_use]
    pub fn adapter(&self) -> Option<&AdapterRecord> {
        match self {
            Self::Gpu(gpu) => Some(&gpu.adapter),
            #[cfg(feature = "twins")]
            Self::Reference => None,
        }
    }

    /// Name of the adapter class. Results are bit-identical within a class.
    #[must_use]
    pub fn class_name(&self) -> &str {
        self.adapter().map_or(Self::REFERENCE, |a| &a.class)
    }
}

/// A plan ready to run.
pub enum Executor {
    /// On a device.
    Gpu(Box<GpuRun>),
    /// On the f64 reference implementations.
    #[cfg(feature = "twins")]
    Reference(Reference),
}

impl Executor {
    /// Creates everything that the plan needs.
    ///
    /// # Errors
    /// Fails if the device cannot allocate a buffer or rejects a kernel.
    pub async fn new(backend: &Backend, plan: Arc<Plan>) -> Result<Self, GpuError> {
        Ok(match backend {
            Backend::Gpu(gpu) => Self::Gpu(Box::new(GpuRun::new(gpu.clone(), plan).await?)),
            #[cfg(feature = "twins")]
            Backend::Reference => Self::Reference(Reference::new(plan)),
        })
    }

    /// Runs (on a device: submits) one step.
    ///
    /// # Errors
    /// Fails if the device is lost.
    pub async fn step(&mut self, recording: usize, input: &StepInput<'_>) -> Result<(), GpuError> {
        match self {
            Self::Gpu(run) => run.step(recording, input).await,
            #[cfg(feature = "twins")]
            Self::Reference(run) => {
                run.run(recording, input);
                Ok(())
            }
        }
    }

    /// Reads tensors in f64. A tensor per window is read for `windows` windows.
    ///
    /// # Errors
    /// Fails if the device is lost.
    pub async fn read(&self, recording: usize, tensors: &[TensorId], windows: usize) -> Result<Vec<Vec<f64>>, GpuError> {
        match self {
            Self::Gpu(run) => {
                let values = run.read(recording, tensors, windows).await?;
                Ok(values.into_iter().map(|v| v.into_iter().map(f64::from).collect()).collect())
            }
            #[cfg(feature = "twins")]
            Self::Reference(run) => Ok(tensors.iter().map(|&t| run.read(recording, t, windows)).collect()),
        }
    }

    /// Overwrites the start of a buffer.
    ///
    /// # Errors
    /// Fails if the device is lost.
    pub async fn write(&mut self, role: BufferRole, data: &[f32]) -> Result<(), GpuError> {
        match self {
            Self::Gpu(run) => run.upload(role, 0, bytemuck::cast_slice(data)).await,
            #[cfg(feature = "twins")]
            Self::Reference(run) => {
                run.write_buffer(role, &data.iter().map(|v| f64::from(*v)).collect::<Vec<_>>());
                Ok(())
            }
        }
    }

    /// Reads the first `n` elements of several buffers, with a single wait.
    ///
    /// # Errors
    /// Fails if the device is lost.
    pub async fn read_buffers(&self, buffers: &[(BufferRole, usize)]) -> Result<Vec<Vec<f32>>, GpuError> {
        match self {
            Self::Gpu(run) => {
                let ranges: Vec<_> = buffers.iter().map(|&(role, n)| (role, 0, 4 * n as u64)).collect();
                let bytes = run.read_ranges(&ranges).await?;
                let mut rest = &bytes[..];
                let mut next = |n: usize| {
                    let (head, tail) = rest.split_at(4 * n);
                    rest = tail;
                    bytemuck::pod_collect_to_vec(head)
                };
                Ok(buffers.iter().map(|&(_, n)| next(n)).collect())
            }
            #[cfg(feature = "twins")]
            Self::Reference(run) => {
                #[expect(clippy::cast_possible_truncation, reason = "stored state is f32")]
                let narrow = |&(role, n): &(BufferRole, usize)| run.read_buffer(role)[..n].iter().map(|v| *v as f32).collect();
                Ok(buffers.iter().map(narrow).collect())
            }
        }
    }

    /// Total size of all buffers created on the device in bytes; for the f64 reference backend, the size in the plan.
    #[must_use]
    pub fn created_bytes(&self) -> u64 {
        match self {
            Self::Gpu(run) => run.created_bytes(),
            #[cfg(feature = "twins")]
            Self::Reference(run) => run.plan().bytes(),
        }
    }
}
