//! Uploads and read-backs through buffers of the plan. After compilation no buffer is created.

use super::buffers::CountedBuffer;
use super::device::{Gpu, GpuError};
use crate::plan::BufferRole;
use futures_channel::oneshot;

/// A staging buffer that is mapped for writing, or has a pending map request.
pub(super) struct StagingSlot {
    pub(super) role: BufferRole,
    pub(super) buffer: CountedBuffer,
    pending: Option<(wgpu::SubmissionIndex, oneshot::Receiver<Result<(), wgpu::BufferAsyncError>>)>,
}

impl StagingSlot {
    /// Takes a buffer that was mapped at creation.
    pub(super) fn new(role: BufferRole, buffer: CountedBuffer) -> Self {
        Self { role, buffer, pending: None }
    }

    /// Waits until the buffer can be written.
    pub(super) async fn ready(&mut self, gpu: &Gpu) -> Result<(), GpuError> {
        if let Some((submission, mapped)) = self.pending.take() {
            gpu.wait(Some(submission))?;
            answered(gpu, mapped).await?;
        }
        Ok(())
    }

    /// Writes ranges of bytes and unmaps the buffer for the device. Call [`StagingSlot::ready`] before and [`StagingSlot::submitted`]
    /// after.
    pub(super) fn write(&self, parts: &[(u64, &[u8])]) -> Result<(), GpuError> {
        for (offset, bytes) in parts.iter().filter(|p| !p.1.is_empty()) {
            let range = *offset..*offset + bytes.len() as u64;
            let mut view = self.buffer.get_mapped_range_mut(range).map_err(|e| GpuError::Validation(e.to_string()))?;
            view.copy_from_slice(bytes);
        }
        self.buffer.unmap();
        Ok(())
    }

    /// Requests the mapping of the buffer once the submission that reads it is complete.
    pub(super) fn submitted(&mut self, submission: wgpu::SubmissionIndex) {
        let (sender, receiver) = oneshot::channel();
        self.buffer.map_async(wgpu::MapMode::Write, .., move |result| {
            // The receiver is dropped only if the run was dropped.
            let _ = sender.send(result);
        });
        self.pending = Some((submission, receiver));
    }
}

async fn answered(gpu: &Gpu, receiver: oneshot::Receiver<Result<(), wgpu::BufferAsyncError>>) -> Result<(), GpuError> {
    let answer = receiver.await;
    gpu.healthy()?;
    match answer {
        Ok(Ok(())) => Ok(()),
        Ok(Err(e)) => Err(GpuError::Lost(e.to_string())),
        Err(_) => Err(GpuError::Lost("a buffer could not be mapped".into())),
    }
}

/// Maps the start of the read-back buffer, copies it and unmaps it.
pub(super) async fn read_mapped(gpu: &Gpu, buffer: &wgpu::Buffer, bytes: u64) -> Result<Vec<u8>, GpuError> {
    let (sender, receiver) = oneshot::channel();
    buffer.map_async(wgpu::MapMode::Read, ..bytes, move |result| {
        let _ = sender.send(result);
    });
    gpu.wait(None)?;
    answered(gpu, receiver).await?;
    let copied = buffer.get_mapped_range(..bytes).map(|view| view.to_vec());
    buffer.unmap();
    copied.map_err(|e| GpuError::Validation(e.to_string()))
}
