//! Progress on stderr: a bar on a terminal, else a line every so often.

use super::console::{self, duration, milliseconds, thousands};
use indicatif::{ProgressBar, ProgressStyle};
use pgat::train::Event;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Between two lines where stderr is no terminal.
const PAUSE: Duration = Duration::from_secs(10);

/// Shows how far something is.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    total: u64,
    last_line: Instant,
    /// The first line comes at once: it tells that all is well.
    lines: u64,
    milliseconds: Option<f64>,
    loss: Option<f32>,
    bad: u32,
}

impl Progress {
    pub(crate) fn new(total: u64, done: u64, quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len}  {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(total).with_style(style).with_position(done)
        });
        Self { bar, quiet, total, last_line: Instant::now(), lines: 0, milliseconds: None, loss: None, bad: 0 }
    }

    /// A line that stays.
    pub(crate) fn say(&self, text: &str) {
        match &self.bar {
            _ if self.quiet => {}
            Some(bar) => bar.suspend(|| console::line(text)),
            None => console::line(text),
        }
    }

    /// A line that is told even when all else is not.
    pub(crate) fn warn(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| console::warn(text)),
            None => console::warn(text),
        }
    }

    /// So much is done.
    pub(crate) fn at(&mut self, done: u64, message: String) {
        match &self.bar {
            Some(bar) => {
                bar.set_position(done);
                bar.set_message(message);
            }
            None if !self.quiet && self.last_line.elapsed() >= PAUSE => {
                console::line(&format!("{done}/{}  {message}", self.total));
                self.last_line = Instant::now();
            }
            None => {}
        }
    }

    /// Shows what training tells.
    pub(crate) fn event(&mut self, event: &Event) {
        match event {
            Event::Tick { step, .. } => {
                if let Some(bar) = &self.bar {
                    bar.set_position(*step);
                }
            }
            Event::Step { step, loss, bad, ms, .. } => {
                self.step(*step, *ms, *loss);
                if *bad > self.bad {
                    self.warn(&format!(
                        "step {step}: loss or gradient was not finite in {} steps so far; such steps change nothing",
                        thousands(*bad)
                    ));
                    self.bad = *bad;
                }
            }
            Event::Validation { step, loss, best } => {
                let best = if *best { " (best so far)" } else { "" };
                self.say(&format!("step {step}: validation loss {loss:.4}{best}"));
            }
            Event::Checkpoint { .. } => {}
            Event::Restarted { step, reason } => {
                self.warn(&format!("the device was lost ({reason}); it was opened anew, and training goes on from step {step}"));
            }
        }
    }

    fn step(&mut self, step: u64, ms: f64, loss: f32) {
        // Averages over some reports, so that the time left does not jump.
        let smooth = self.milliseconds.map_or(ms, |old| 0.8 * old + 0.2 * ms);
        self.milliseconds = Some(smooth);
        self.loss = Some(loss);
        #[expect(clippy::cast_precision_loss, reason = "a count")]
        let left = duration(smooth * self.total.saturating_sub(step) as f64 / 1000.0);
        let message = format!("loss {loss:.4}  {} a step  {left} left", milliseconds(smooth));
        if self.bar.is_none() && !self.quiet && self.lines == 0 {
            self.lines = 1;
            console::line(&format!("{step}/{}  {message}", self.total));
            self.last_line = Instant::now();
        } else {
            self.at(step, message);
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
