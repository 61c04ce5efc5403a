//! Buffers of a device. Each one is counted from creation to destruction. A test can make the device reject a buffer.

use super::device::Gpu;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wgpu::BufferUsages;

/// Counts of all buffers created on a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BufferCounts {
    /// Number of buffers created so far, including destroyed ones.
    pub created: u64,
    /// Their total size in bytes.
    pub created_bytes: u64,
    /// Number of live buffers.
    pub alive: u64,
    /// Their total size in bytes.
    pub alive_bytes: u64,
}

/// Simulated allocation failures, for tests.
#[cfg(feature = "test-hooks")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refusal {
    /// No simulated failure.
    #[default]
    Nothing,
    /// Rejects every buffer that would raise the live bytes above this limit, like a device with less memory than it reports.
    Above(u64),
    /// Accepts this number of buffers, then rejects one.
    After(u64),
}

#[derive(Default)]
struct Books {
    counts: BufferCounts,
    #[cfg(feature = "test-hooks")]
    refusal: Refusal,
}

/// Buffer counts of a device, and the simulated failure.
#[derive(Default)]
pub(super) struct Ledger(Mutex<Books>);

impl Ledger {
    fn open(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(feature = "test-hooks")]
    pub(super) fn refuse(&self, refusal: Refusal) {
        self.open().refusal = refusal;
    }

    /// Checks whether the simulated failure allows a buffer; the error is the reason.
    #[cfg(feature = "test-hooks")]
    fn admit(&self, bytes: u64) -> Result<(), String> {
        let Books { counts, refusal } = &mut *self.open();
        match refusal {
            Refusal::Above(most) if counts.alive_bytes + bytes > *most => Err(format!("a test limits the total to {most} bytes")),
            Refusal::After(0) => {
                *refusal = Refusal::Nothing;
                Err("rejected by a test".into())
            }
            Refusal::After(left) => {
                *left -= 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn made(&self, bytes: u64) {
        let counts = &mut self.open().counts;
        counts.created += 1;
        counts.created_bytes += bytes;
        counts.alive += 1;
        counts.alive_bytes += bytes;
    }

    fn gone(&self, bytes: u64) {
        let counts = &mut self.open().counts;
        counts.alive -= 1;
        counts.alive_bytes -= bytes;
    }
}

/// A counted buffer that is destroyed on drop. In a browser, dropping a `wgpu::Buffer` does not free its memory.
pub(super) struct CountedBuffer {
    buffer: wgpu::Buffer,
    ledger: Arc<Ledger>,
}

impl Deref for CountedBuffer {
    type Target = wgpu::Buffer;

    fn deref(&self) -> &wgpu::Buffer {
        &self.buffer
    }
}

impl Drop for CountedBuffer {
    fn drop(&mut self) {
        self.buffer.destroy();
        self.ledger.gone(self.buffer.size());
    }
}

impl Gpu {
    /// Creates a buffer. The error is the message of the device. All buffers of this crate are created here.
    pub(super) async fn buffer(&self, label: &str, bytes: u64, usage: BufferUsages, mapped: bool) -> Result<CountedBuffer, String> {
        #[cfg(feature = "test-hooks")]
        self.ledger.admit(bytes)?;
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let valid = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let descriptor = wgpu::BufferDescriptor { label: Some(label), size: bytes, usage, mapped_at_creation: mapped };
        #[expect(clippy::disallowed_methods, reason = "the only place that creates buffers, and counts them")]
        let buffer = self.device.create_buffer(&descriptor);
        let (invalid, exhausted) = (valid.pop().await, memory.pop().await);
        if let Some(e) = invalid.or(exhausted) {
            return Err(e.to_string());
        }
        self.ledger.made(buffer.size());
        Ok(CountedBuffer { buffer, ledger: self.ledger.clone() })
    }

    /// Counts of the buffers created on this device and of the live ones.
    #[must_use]
    pub fn buffer_counts(&self) -> BufferCounts {
        self.ledger.open().counts
    }
}
