//! Minimal kernels that measure the maximum rates of an adapter. They are not part of any plan.

use super::buffers::CountedBuffer;
use super::device::{Gpu, GpuError};
use crate::ops::wgsl::wgsl;
use std::time::Instant;

/// Maximum rates ("ceilings") of an adapter, measured with plain WGSL kernels.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Ceilings {
    /// Fused multiply-adds in registers, in floating-point operations per second.
    pub fma_flops_per_second: f64,
    /// `a = b + s c` over large arrays: bytes read and written per second.
    pub triad_bytes_per_second: f64,
    /// Seconds of an empty dispatch, averaged over many in one submit.
    pub dispatch_seconds: f64,
}

impl Ceilings {
    /// The better of two measurements, figure by figure.
    #[must_use]
    pub fn better(&self, other: &Self) -> Self {
        Self {
            fma_flops_per_second: self.fma_flops_per_second.max(other.fma_flops_per_second),
            triad_bytes_per_second: self.triad_bytes_per_second.max(other.triad_bytes_per_second),
            dispatch_seconds: self.dispatch_seconds.min(other.dispatch_seconds),
        }
    }
}

const SOURCE: &str = wgsl!("probe.wgsl");
/// Workgroups of the multiply-add loop. Each invocation runs 1,024 multiply-adds on each of 12 chains.
const FMA_GROUPS: u32 = 1024;
const FMA_FLOPS: f64 = 1024.0 * 64.0 * 1024.0 * 24.0;
/// Number of vec4 elements in each array of the triad.
const TRIAD_QUADS: u32 = 1 << 20;

struct Probe<'a> {
    gpu: &'a Gpu,
    module: wgpu::ShaderModule,
    buffers: Vec<CountedBuffer>,
}

impl Probe<'_> {
    /// Minimum seconds over several submits of `repeat` dispatches.
    fn least(&self, entry: &str, groups: u32, repeat: usize) -> Result<f64, GpuError> {
        let device = &self.gpu.device;
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(entry),
            layout: None,
            module: &self.module,
            entry_point: Some(entry),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        let used = if entry == "triad" { 3 } else { 1 };
        let entries: Vec<_> = (0_u32..)
            .zip(&self.buffers[..used])
            .map(|(binding, b)| wgpu::BindGroupEntry { binding, resource: b.as_entire_binding() })
            .collect();
        let layout = pipeline.get_bind_group_layout(0);
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor { label: Some(entry), layout: &layout, entries: &entries });
        let mut least = f64::INFINITY;
        for _ in 0..6 {
            let start = Instant::now();
            let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some(entry) });
            {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes: None });
                pass.set_pipeline(&pipeline);
                pass.set_bind_group(0, &group, &[]);
                (0..repeat).for_each(|_| pass.dispatch_workgroups(groups, 1, 1));
            }
            self.gpu.wait(Some(self.gpu.queue.submit([encoder.finish()])))?;
            least = least.min(start.elapsed().as_secs_f64());
        }
        Ok(least)
    }
}

/// Measures the maximum rates. Takes about a second.
///
/// # Errors
/// Fails if the device is lost or a buffer cannot be created.
pub fn ceilings(gpu: &Gpu) -> Result<Ceilings, GpuError> {
    let source = wgpu::ShaderSource::Wgsl(SOURCE.into());
    let module = gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor { label: Some("probe"), source });
    let size = u64::from(TRIAD_QUADS) * 16;
    let buffer = |_| pollster::block_on(gpu.buffer("probe", size, wgpu::BufferUsages::STORAGE, false));
    let buffers: Result<Vec<_>, _> = (0..3).map(buffer).collect();
    let refused = |reason| GpuError::Validation(format!("cannot create a buffer of {size} bytes for the measurement: {reason}"));
    let probe = Probe { gpu, module, buffers: buffers.map_err(refused)? };
    let fma = probe.least("multiply_add", FMA_GROUPS, 1)?;
    let triad = probe.least("triad", TRIAD_QUADS / 64, 1)?;
    let empty = probe.least("nothing", 1, 200)?;
    Ok(Ceilings {
        fma_flops_per_second: FMA_FLOPS / fma,
        triad_bytes_per_second: f64::from(TRIAD_QUADS) * 48.0 / triad,
        dispatch_seconds: empty / 200.0,
    })
}
