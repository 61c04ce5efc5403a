//! Buffers of a device: each is counted from its creation to its end, and a test can have one refused.

use super::device::Gpu;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wgpu::BufferUsages;

/// What was created on a device, by whatever plan or measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BufferCounts {
    /// Buffers created so far, those that are gone included.
    pub created: u64,
    /// Their bytes.
    pub created_bytes: u64,
    /// Buffers that are there now.
    pub alive: u64,
    /// Their bytes.
    pub alive_bytes: u64,
}

/// What a device is made to refuse, for tests of what follows.
#[cfg(feature = "test-hooks")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing of itself.
    #[default]
    Nothing,
    /// Every buffer with which more than so many bytes would be alive, as a device does that holds less than it promised.
    Above(u64),
    /// The buffer after so many more, once.
    After(u64),
}

#[derive(Default)]
struct Books {
    counts: BufferCounts,
    #[cfg(feature = "test-hooks")]
    refusal: Refusal,
}

/// Counts of a device, and what a test makes it refuse.
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

    /// Whether a test lets a buffer be asked for; else the reason.
    #[cfg(feature = "test-hooks")]
    fn admit(&self, bytes: u64) -> Result<(), String> {
        let Books { counts, refusal } = &mut *self.open();
        match refusal {
            Refusal::Above(most) if counts.alive_bytes + bytes > *most => Err(format!("a test allows {most} bytes in all")),
            Refusal::After(0) => {
                *refusal = Refusal::Nothing;
                Err("a test has it refused".into())
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

/// A buffer that is counted, and destroyed at its end: in a browser, dropping a buffer frees nothing.
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
    /// Creates a buffer; the error is what the device says. Nothing else in this crate creates one.
    pub(super) async fn buffer(&self, label: &str, bytes: u64, usage: BufferUsages, mapped: bool) -> Result<CountedBuffer, String> {
        #[cfg(feature = "test-hooks")]
        self.ledger.admit(bytes)?;
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let valid = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let descriptor = wgpu::BufferDescriptor { label: Some(label), size: bytes, usage, mapped_at_creation: mapped };
        #[expect(clippy::disallowed_methods, reason = "the one place that counts")]
        let buffer = self.device.create_buffer(&descriptor);
        let (invalid, exhausted) = (valid.pop().await, memory.pop().await);
        if let Some(e) = invalid.or(exhausted) {
            return Err(e.to_string());
        }
        self.ledger.made(buffer.size());
        Ok(CountedBuffer { buffer, ledger: self.ledger.clone() })
    }

    /// Buffers created on this device, and how many of them are there now.
    #[must_use]
    pub fn buffer_counts(&self) -> BufferCounts {
        self.ledger.open().counts
    }
}
