//! Progress on stderr: a bar on a terminal, otherwise a line at intervals.

use super::console::{self, duration, milliseconds, thousands};
use indicatif::{ProgressBar, ProgressStyle};
use pgat::config::Metric;
use pgat::engine::health::{Ailment, GradientHealth};
use pgat::engine::train::{Event, Phase};
use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Time between two lines where stderr is not a terminal.
const PAUSE: Duration = Duration::from_secs(10);

/// The name of what validations compute.
pub(crate) fn metric_name(metric: Metric) -> &'static str {
    match metric {
        Metric::Loss => "loss",
        Metric::Crps => "CRPS",
        Metric::Nll => "NLL",
        Metric::Pinball => "pinball loss",
    }
}

/// Shows the progress of an operation.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    /// What validations compute.
    metric: &'static str,
    total: u64,
    last_line: Instant,
    /// Whether there was a report. The first one is shown at once, to confirm that training works.
    warm: bool,
    milliseconds: Option<f64>,
    bad: u32,
    /// Parameter groups for which a gradient warning was already printed.
    ailing: BTreeSet<(String, Ailment)>,
}

impl Progress {
    pub(crate) fn new(total: u64, done: u64, quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{bar:30} {human_pos}/{human_len}  {msg}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(total).with_style(style).with_position(done)
        });
        Self {
            bar,
            quiet,
            metric: "loss",
            total,
            last_line: Instant::now(),
            warm: false,
            milliseconds: None,
            bad: 0,
            ailing: BTreeSet::new(),
        }
    }

    /// Names what validations compute.
    pub(crate) fn of_metric(self, metric: Metric) -> Self {
        let metric = metric_name(metric);
        Self { metric, ..self }
    }

    /// Runs a closure while the bar is hidden.
    pub(crate) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Prints a line above the bar.
    fn say(&self, text: &str) {
        if !self.quiet {
            self.aside(|| console::line(text));
        }
    }

    /// Updates the progress.
    pub(crate) fn at(&mut self, done: u64, message: String) {
        match &self.bar {
            Some(bar) => {
                bar.set_position(done);
                bar.set_message(message);
            }
            None if !self.quiet && self.last_line.elapsed() >= PAUSE => {
                console::line(&format!("{}/{}  {message}", thousands(done), thousands(self.total)));
                self.last_line = Instant::now();
            }
            None => {}
        }
    }

    /// Shows a training event.
    pub(crate) fn event(&mut self, event: &Event) {
        match event {
            Event::Tick { phase: Phase::Start, step, total } if step == total => {
                self.say(&format!("linear start: {} steps are done, the whole model follows", thousands(*total)));
            }
            Event::Tick { phase: Phase::Start, .. } => {}
            Event::Tick { step, .. } => {
                if let Some(bar) = &self.bar {
                    bar.set_position(*step);
                }
            }
            Event::Step { phase: Phase::Start, step, loss, .. } => {
                if let Some(bar) = &self.bar {
                    bar.set_message(format!("linear start, step {}: loss {loss:.4}", thousands(*step)));
                }
            }
            Event::Calibrated { before, after, .. } => {
                let text = "calibrated on the validation windows: the central 80 % interval covered";
                self.say(&format!("{text} {:.1} % of their values, now {:.1} %", 100.0 * before, 100.0 * after));
            }
            Event::Step { step, loss, bad, ms, .. } => {
                self.step(*step, *ms, *loss);
                if *bad > self.bad {
                    let text = format!(
                        "step {}: the loss or the gradient was not finite in {} steps so far; these steps do not change the weights",
                        thousands(*step),
                        thousands(*bad)
                    );
                    self.aside(|| console::warn(&text));
                    self.bad = *bad;
                }
            }
            Event::Validation { step, loss, best } => {
                let best = if *best { " (best so far)" } else { "" };
                self.say(&format!("step {}: validation {} {loss:.4}{best}", thousands(*step), self.metric));
            }
            Event::Gradients { step, gradients } => self.gradients(*step, gradients),
            Event::Restarted { step, reason } => {
                let text = format!("the device was lost ({reason}) and reopened; training continues from step {}", thousands(*step));
                self.aside(|| console::warn(&text));
            }
            _ => {}
        }
    }

    /// Warns of a gradient that is all zero or not finite, once per parameter group.
    fn gradients(&mut self, step: u64, gradients: &GradientHealth) {
        for (group, health) in gradients {
            let Some(ailment) = health.ailment() else { continue };
            let what = match ailment {
                Ailment::AllZero => "is all zero: these parameters do not learn".to_owned(),
                Ailment::NotFinite => format!("contains {} values that are not finite", thousands(health.non_finite)),
            };
            if self.ailing.insert((group.clone(), ailment)) {
                self.aside(|| console::warn(&format!("step {}: the gradient of {group} {what}", thousands(step))));
            }
        }
    }

    fn step(&mut self, step: u64, ms: f64, loss: f32) {
        // The first report includes the compilation of the kernels. Later ones are averaged, so that the remaining time does not jump.
        let first = !std::mem::replace(&mut self.warm, true);
        let message = if first {
            format!("loss {loss:.4}")
        } else {
            let smooth = self.milliseconds.map_or(ms, |old| 0.7 * old + 0.3 * ms);
            self.milliseconds = Some(smooth);
            let left = duration(smooth * self.total.saturating_sub(step) as f64 / 1000.0);
            format!("loss {loss:.4}  {} per step  {left} left", milliseconds(smooth))
        };
        if first && self.bar.is_none() && !self.quiet {
            console::line(&format!("{}/{}  {message}", thousands(step), thousands(self.total)));
            self.last_line = Instant::now();
        } else {
            self.at(step, message);
        }
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
