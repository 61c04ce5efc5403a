//! A compiled plan on a device. Every buffer, pipeline and bind group is created here once; a step only encodes and submits.

use super::buffers::CountedBuffer;
use super::device::{Gpu, GpuError, breathe};
use super::transfer::{StagingSlot, read_mapped};
use crate::graph::{Section, TensorId};
use crate::ops::Scope;
use crate::order;
use crate::plan::recording::Kernel;
use crate::plan::transfer::{STEP_STRIDE, TRANSFER_BYTES};
use crate::plan::{BufferRole, BufferSpec, Plan, Recording, Region};
use crate::step::StepInput;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use wgpu::{BufferUsages, CommandEncoder};

/// A plan with its buffers, pipelines and bind groups on a device.
pub struct GpuRun {
    gpu: Arc<Gpu>,
    plan: Arc<Plan>,
    buffers: BTreeMap<BufferRole, CountedBuffer>,
    staging: Vec<StagingSlot>,
    turn: usize,
    programs: Vec<Compiled>,
    created_bytes: u64,
    created_buffers: usize,
}

/// Pipelines and bind groups of one recording, one pair per dispatch.
struct Compiled {
    dispatches: Vec<(wgpu::ComputePipeline, wgpu::BindGroup)>,
}

fn usage(role: BufferRole) -> BufferUsages {
    match role {
        BufferRole::Staging(_) => BufferUsages::MAP_WRITE | BufferUsages::COPY_SRC,
        BufferRole::ReadBack => BufferUsages::MAP_READ | BufferUsages::COPY_DST,
        BufferRole::DispatchUniforms | BufferRole::StepUniforms => BufferUsages::UNIFORM | BufferUsages::COPY_DST,
        _ => BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC,
    }
}

impl GpuRun {
    /// Creates every buffer of the plan, compiles its kernels, and uploads constants and uniforms.
    ///
    /// # Errors
    /// Fails if the device cannot allocate a buffer (the error names it and the bytes allocated before) or rejects a kernel.
    #[cfg_attr(feature = "native", tracing::instrument(level = "info", name = "create", skip_all, fields(bytes = plan.bytes(), buffers = plan.buffers.len())))]
    pub async fn new(gpu: Arc<Gpu>, plan: Arc<Plan>) -> Result<Self, GpuError> {
        let mut run =
            Self { gpu, plan, buffers: BTreeMap::new(), staging: vec![], turn: 0, programs: vec![], created_bytes: 0, created_buffers: 0 };
        for spec in run.plan.clone().buffers.iter().copied() {
            run.create(spec).await?;
        }
        run.compile().await?;
        let plan = run.plan.clone();
        for recording in &plan.recordings {
            run.upload(BufferRole::DispatchUniforms, recording.uniforms_base, &recording.uniforms).await?;
            for (&t, values) in &recording.program.graph.constants {
                if let Some(region) = recording.regions[t] {
                    run.upload(region.role, region.offset, bytemuck::cast_slice(values)).await?;
                }
            }
        }
        run.as_planned()?;
        Ok(run)
    }

    async fn create(&mut self, spec: BufferSpec) -> Result<(), GpuError> {
        let name = spec.role.to_string();
        let mapped = matches!(spec.role, BufferRole::Staging(_));
        let buffer = self.gpu.buffer(&name, spec.bytes, usage(spec.role), mapped).await.map_err(|reason| GpuError::OutOfMemory {
            buffer: name,
            bytes: spec.bytes,
            planned: self.plan.bytes(),
            created: self.created_bytes,
            reason,
        })?;
        self.created_bytes += buffer.size();
        self.created_buffers += 1;
        if mapped {
            self.staging.push(StagingSlot::new(spec.role, buffer));
        } else {
            self.buffers.insert(spec.role, buffer);
        }
        Ok(())
    }

    /// Checks that the created buffers are exactly the planned ones, each with its planned size.
    fn as_planned(&self) -> Result<(), GpuError> {
        let created = self.created_by_role();
        let of = |role| created.get(&role).copied().unwrap_or(0);
        let planned = self.plan.buffers.iter().map(|b| (b.role, b.bytes));
        let beyond = created.keys().filter(|role| self.plan.buffer_bytes(**role) == 0).map(|role| (*role, 0));
        if let Some((role, planned)) = planned.chain(beyond).find(|&(role, bytes)| of(role) != bytes) {
            return Err(GpuError::Unplanned { buffer: role.to_string(), planned, created: of(role) });
        }
        // A duplicate role in a plan would replace the first buffer of that role in the map.
        let alive: u64 = created.values().sum();
        for created in [alive, self.created_bytes] {
            if created != self.plan.bytes() {
                return Err(GpuError::Unplanned { buffer: "(all buffers)".into(), planned: self.plan.bytes(), created });
            }
        }
        Ok(())
    }

    #[cfg_attr(feature = "native", tracing::instrument(level = "info", skip_all, fields(dispatches, pipelines)))]
    async fn compile(&mut self) -> Result<(), GpuError> {
        let plan = self.plan.clone();
        let mut modules: HashMap<Arc<str>, wgpu::ShaderModule> = HashMap::new();
        for recording in &plan.recordings {
            let mut dispatches = vec![];
            for dispatch in &recording.dispatches {
                let kernel = &recording.kernels[dispatch.kernel];
                let key = format!("{} {:?}\n{}", kernel.entry, kernel.overrides, kernel.source);
                let (pipeline, layout) = match self.gpu.cached(&key) {
                    Some(made) => made,
                    None => {
                        let made = self.pipeline(kernel, &mut modules).await?;
                        self.gpu.keep(key, made.clone());
                        made
                    }
                };
                let group = self.bind_group(kernel, &layout, dispatch)?;
                dispatches.push((pipeline, group));
            }
            self.programs.push(Compiled { dispatches });
        }
        let span = tracing::Span::current();
        span.record("dispatches", self.programs.iter().map(|p| p.dispatches.len()).sum::<usize>());
        span.record("pipelines", plan.recordings.iter().map(|r| r.kernels.len()).sum::<usize>());
        self.gpu.healthy()
    }

    async fn pipeline(
        &self,
        kernel: &Kernel,
        modules: &mut HashMap<Arc<str>, wgpu::ShaderModule>,
    ) -> Result<(wgpu::ComputePipeline, wgpu::BindGroupLayout), GpuError> {
        let device = &self.gpu.device;
        let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let module = modules.entry(kernel.source.clone()).or_insert_with(|| {
            let source = wgpu::ShaderSource::Wgsl((&*kernel.source).into());
            device.create_shader_module(wgpu::ShaderModuleDescriptor { label: Some(kernel.entry), source })
        });
        let entry = |binding, ty, dynamic, size| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: dynamic, min_binding_size: std::num::NonZeroU64::new(size) },
            count: None,
        };
        let mut entries = vec![
            entry(0, wgpu::BufferBindingType::Uniform, false, kernel.params_bytes),
            entry(1, wgpu::BufferBindingType::Uniform, true, STEP_BYTES),
        ];
        entries.extend(kernel.bindings.iter().map(|&(i, w)| entry(i, wgpu::BufferBindingType::Storage { read_only: !w }, false, 0)));
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(kernel.entry), entries: &entries });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(kernel.entry),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let known: Vec<(&str, f64)> =
            kernel.overrides.iter().copied().filter(|(name, _)| kernel.source.contains(&format!("override {name}"))).collect();
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(kernel.entry),
            layout: Some(&pipeline_layout),
            module,
            entry_point: Some(kernel.entry),
            compilation_options: wgpu::PipelineCompilationOptions { constants: &known, zero_initialize_workgroup_memory: false },
            cache: None,
        });
        match scope.pop().await {
            Some(e) => Err(GpuError::Kernel { entry: kernel.entry.into(), reason: e.to_string() }),
            None => Ok((pipeline, layout)),
        }
    }

    fn buffer(&self, role: BufferRole) -> Result<&wgpu::Buffer, GpuError> {
        let buffer = self.buffers.get(&role).map(|b| &**b);
        buffer.ok_or_else(|| GpuError::Validation(format!("the plan has no buffer {role}")))
    }

    fn bind_group(
        &self,
        kernel: &Kernel,
        layout: &wgpu::BindGroupLayout,
        dispatch: &crate::plan::Dispatch,
    ) -> Result<wgpu::BindGroup, GpuError> {
        let range = |role, offset, bytes| {
            self.buffer(role)
                .map(|buffer| wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size: std::num::NonZeroU64::new(bytes) }))
        };
        let mut entries = vec![
            wgpu::BindGroupEntry {
                binding: 0,
                resource: range(BufferRole::DispatchUniforms, dispatch.params_offset, kernel.params_bytes)?,
            },
            wgpu::BindGroupEntry { binding: 1, resource: range(BufferRole::StepUniforms, 0, STEP_BYTES)? },
        ];
        for r in &dispatch.ranges {
            entries.push(wgpu::BindGroupEntry { binding: r.binding, resource: range(r.role, r.offset, r.bytes)? });
        }
        Ok(self.gpu.device.create_bind_group(&wgpu::BindGroupDescriptor { label: Some(kernel.entry), layout, entries: &entries }))
    }

    /// Total size of all buffers created on the device, in bytes. Equal to the plan's size once the run is created.
    #[must_use]
    pub fn created_bytes(&self) -> u64 {
        self.created_bytes
    }

    /// Size of each buffer on the device, in bytes.
    #[must_use]
    pub fn created_by_role(&self) -> BTreeMap<BufferRole, u64> {
        let staging = self.staging.iter().map(|s| (s.role, s.buffer.size()));
        order::map(self.buffers.iter().map(|(role, b)| (*role, b.size())).chain(staging))
    }

    /// Number of buffers created on the device.
    #[must_use]
    pub fn created_buffers(&self) -> usize {
        self.created_buffers
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The device.
    #[must_use]
    pub fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }

    /// Runs one step of a recording. Returns once it is submitted; at most two steps are in flight.
    ///
    /// # Errors
    /// Fails if the device is lost.
    pub async fn step(&mut self, recording: usize, input: &StepInput<'_>) -> Result<(), GpuError> {
        self.gpu.healthy()?;
        let plan = self.plan.clone();
        let rec = &plan.recordings[recording];
        let values = input.step_values(rec);
        let micro = input.micro_batches(rec.micro_batch);
        let offsets = rec.staging_offsets();
        let inputs: Vec<(Region, u64, &[f32])> = rec
            .inputs()
            .into_iter()
            .zip(&offsets)
            .zip(input.inputs)
            .filter_map(|((t, offset), data)| rec.regions[t].map(|region| (region, *offset, data.as_slice())))
            .collect();
        let per_upload = rec.upload_windows() / rec.micro_batch.max(1);
        let mut state = Encoder::default();
        let mut first_upload = true;
        // An empty batch still runs prologue and epilogue.
        let uploads = micro.chunks(per_upload.max(1)).chain(micro.is_empty().then_some(&[][..]));
        for (u, upload) in uploads.enumerate() {
            let slot = self.turn;
            self.turn = (self.turn + 1) % self.staging.len();
            self.staging[slot].ready(&self.gpu).await?;
            let start = upload.first().map_or(0, |m| m.0);
            let windows: usize = upload.iter().map(|m| m.1).sum();
            let mut parts: Vec<(u64, &[u8])> = vec![];
            if first_upload {
                parts.extend(values.iter().enumerate().map(|(i, v)| (i as u64 * STEP_STRIDE, bytemuck::bytes_of(v))));
            }
            for &(region, offset, data) in &inputs {
                if region.window_bytes > 0 {
                    let one = data.len() / input.windows.max(1);
                    parts.push((offset, bytemuck::cast_slice(&data[start * one..(start + windows) * one])));
                } else if first_upload {
                    parts.push((offset, bytemuck::cast_slice(data)));
                }
            }
            self.staging[slot].write(&parts)?;

            let mut encoding = Encoding { run: self, rec, recording, state: &mut state };
            let staging = &self.staging[slot].buffer;
            if std::mem::take(&mut first_upload) {
                let entries = values.len() as u64 * STEP_STRIDE;
                encoding.encoder().copy_buffer_to_buffer(staging, 0, self.buffer(BufferRole::StepUniforms)?, 0, entries);
                if let Ok(gradients) = self.buffer(BufferRole::Gradients) {
                    encoding.encoder().clear_buffer(gradients, 0, None);
                }
                for (region, offset, _) in inputs.iter().filter(|i| i.0.window_bytes == 0) {
                    encoding.encoder().copy_buffer_to_buffer(staging, *offset, self.buffer(region.role)?, region.offset, region.bytes);
                }
                encoding.section(Section::Prologue, 0, 1).await;
            }
            for (i, &(first, windows)) in upload.iter().enumerate() {
                for (region, offset, _) in inputs.iter().filter(|i| i.0.window_bytes > 0) {
                    let (from, bytes) = (offset + (first - start) as u64 * region.window_bytes, windows as u64 * region.window_bytes);
                    encoding.encoder().copy_buffer_to_buffer(staging, from, self.buffer(region.role)?, region.offset, bytes);
                }
                encoding.section(Section::Body, u * per_upload + i + 1, windows).await;
            }
            if start + windows >= input.windows {
                encoding.section(Section::Epilogue, 0, 1).await;
            }
            encoding.submit().await;
            if let Some(last) = state.last.clone() {
                self.staging[slot].submitted(last);
            }
        }
        Ok(())
    }

    /// Seconds of each phase on the current contents of the buffers, for benchmarks. Each phase is submitted and awaited separately.
    ///
    /// # Errors
    /// Fails if the device is lost.
    #[cfg(feature = "native")]
    pub fn time_phases(&self, recording: usize, windows: usize) -> Result<Vec<f64>, GpuError> {
        let rec = &self.plan.recordings[recording];
        let mut seconds = vec![];
        for phase in &rec.phases {
            let start = std::time::Instant::now();
            let mut encoder = self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None });
            let body = phase.section == Section::Body;
            self.encode(&mut encoder, recording, phase.dispatches.clone(), u32::from(body), if body { windows } else { 1 });
            let submission = self.gpu.queue.submit([encoder.finish()]);
            self.gpu.wait(Some(submission))?;
            seconds.push(start.elapsed().as_secs_f64());
        }
        Ok(seconds)
    }

    /// Encodes dispatches into one compute pass.
    fn encode(&self, encoder: &mut CommandEncoder, recording: usize, dispatches: std::ops::Range<usize>, entry: u32, windows: usize) {
        let rec = &self.plan.recordings[recording];
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes: None });
        #[expect(clippy::cast_possible_truncation, reason = "256")]
        let stride = STEP_STRIDE as u32;
        for i in dispatches {
            if let Some([x, y]) = rec.dispatches[i].groups(windows) {
                let (pipeline, group) = &self.programs[recording].dispatches[i];
                pass.set_pipeline(pipeline);
                pass.set_bind_group(0, group, &[entry * stride]);
                pass.dispatch_workgroups(x, y, 1);
            }
        }
    }

    /// Writes bytes into a buffer, in pieces through the staging ring.
    ///
    /// # Errors
    /// Fails if the device is lost.
    pub async fn upload(&mut self, role: BufferRole, offset: u64, bytes: &[u8]) -> Result<(), GpuError> {
        #[expect(clippy::cast_possible_truncation, reason = "1 MiB")]
        let piece = TRANSFER_BYTES as usize;
        for (i, part) in bytes.chunks(piece).enumerate() {
            let slot = self.turn;
            self.turn = (self.turn + 1) % self.staging.len();
            self.staging[slot].ready(&self.gpu).await?;
            self.staging[slot].write(&[(0, part)])?;
            let mut encoder = self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("upload") });
            let to = offset + i as u64 * TRANSFER_BYTES;
            encoder.copy_buffer_to_buffer(&self.staging[slot].buffer, 0, self.buffer(role)?, to, part.len() as u64);
            let submission = self.gpu.queue.submit([encoder.finish()]);
            self.staging[slot].submitted(submission);
        }
        self.gpu.healthy()
    }

    /// Reads ranges (buffer, byte offset, size in bytes) after everything submitted before.
    ///
    /// # Errors
    /// Fails if the device is lost.
    pub async fn read_ranges(&self, ranges: &[(BufferRole, u64, u64)]) -> Result<Vec<u8>, GpuError> {
        let to = self.buffer(BufferRole::ReadBack)?;
        let mut all = Vec::with_capacity(ranges.iter().map(|r| usize::try_from(r.2).unwrap_or(0)).sum());
        let mut queue: Vec<(BufferRole, u64, u64)> = ranges.iter().rev().copied().collect();
        while !queue.is_empty() {
            let mut encoder = self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("read back") });
            let mut at = 0;
            while let Some((role, offset, bytes)) = queue.pop() {
                let part = bytes.min(TRANSFER_BYTES - at);
                encoder.copy_buffer_to_buffer(self.buffer(role)?, offset, to, at, part);
                at += part;
                if part < bytes {
                    queue.push((role, offset + part, bytes - part));
                    break;
                }
            }
            self.gpu.queue.submit([encoder.finish()]);
            all.extend(read_mapped(&self.gpu, to, at).await?);
        }
        Ok(all)
    }

    /// Reads tensors. A tensor per window is read for `windows` windows.
    ///
    /// # Errors
    /// Fails if the device is lost.
    pub async fn read(&self, recording: usize, tensors: &[TensorId], windows: usize) -> Result<Vec<Vec<f32>>, GpuError> {
        let rec = &self.plan.recordings[recording];
        let mut ranges = vec![];
        for &t in tensors {
            let operand = &rec.program.graph.tensors[t].operand;
            let n = operand.len() * if operand.scope == Scope::Window { windows } else { 1 };
            let region = rec.regions[t];
            let region = region.ok_or_else(|| GpuError::Validation(format!("{} has no region", rec.program.graph.tensors[t].name)))?;
            ranges.push((region.role, region.offset, 4 * n as u64));
        }
        let bytes = self.read_ranges(&ranges).await?;
        let mut rest = &bytes[..];
        let mut all = vec![];
        for (_, _, n) in ranges {
            let (head, tail) = rest.split_at(usize::try_from(n).unwrap_or(rest.len()));
            all.push(bytemuck::pod_collect_to_vec(head));
            rest = tail;
        }
        Ok(all)
    }

    /// Waits until everything submitted is complete.
    ///
    /// # Errors
    /// Fails if the device is lost.
    pub fn finish(&self) -> Result<(), GpuError> {
        self.gpu.wait(None)
    }
}

impl Drop for GpuRun {
    fn drop(&mut self) {
        // Memory of a running step would be freed at some later wait, but the next plan may need it before. On a lost device there is
        // nothing to wait for.
        let _ = self.gpu.wait(None);
    }
}

/// Size of the uniform `Step` in bytes.
const STEP_BYTES: u64 = size_of::<crate::ops::twin::StepValues>() as u64;

/// Encoded work that is not yet submitted.
#[derive(Default)]
struct Encoder {
    open: Option<CommandEncoder>,
    seconds: f64,
    last: Option<wgpu::SubmissionIndex>,
}

/// Splits a step into submits that stay within the predicted time limit.
struct Encoding<'a> {
    run: &'a GpuRun,
    rec: &'a Recording,
    recording: usize,
    state: &'a mut Encoder,
}

impl Encoding<'_> {
    fn encoder(&mut self) -> &mut CommandEncoder {
        let device = &self.run.gpu.device;
        self.state.open.get_or_insert_with(|| device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("step") }))
    }

    async fn section(&mut self, section: Section, entry: usize, windows: usize) {
        let phases: Vec<_> = self.rec.phases.iter().filter(|p| p.section == section).collect();
        let (Some(first), Some(last)) = (phases.first(), phases.last()) else { return };
        let (begin, end) = (first.dispatches.start, last.dispatches.end);
        let entry = crate::ops::def::to_u32(entry);
        let mut pending = begin;
        for i in begin..end {
            let dispatch = &self.rec.dispatches[i];
            let cost = dispatch.seconds + self.rec.dispatch_seconds;
            if self.state.seconds + cost > self.rec.submit_seconds && self.state.seconds > 0.0 {
                self.pass(pending..i, entry, windows);
                self.submit().await;
                pending = i;
            }
            self.state.seconds += cost;
        }
        self.pass(pending..end, entry, windows);
    }

    fn pass(&mut self, dispatches: std::ops::Range<usize>, entry: u32, windows: usize) {
        if dispatches.is_empty() {
            return;
        }
        let (run, recording) = (self.run, self.recording);
        run.encode(self.encoder(), recording, dispatches, entry, windows);
    }

    async fn submit(&mut self) {
        self.state.seconds = 0.0;
        if let Some(encoder) = self.state.open.take() {
            self.state.last = Some(self.run.gpu.queue.submit([encoder.finish()]));
            breathe().await;
        }
    }
}
