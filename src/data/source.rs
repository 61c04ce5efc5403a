//! Windows for the training loop: sizes, buffers, and the trait of a source that fills the buffers.

/// Sizes of a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WindowShape {
    /// L, history steps.
    pub history: usize,
    /// H, horizon steps.
    pub horizon: usize,
    /// Nc, covariate series.
    pub num_covariates: usize,
    /// Nt, target series.
    pub num_targets: usize,
    /// F, channels per series, at least 1. Channel 0 is the series itself.
    pub num_channels: usize,
    /// C, calendar inputs: a sine and a cosine per feature.
    pub num_calendar: usize,
    /// Category inputs that are common to all series.
    pub num_common: usize,
    /// Category inputs that each series has for its own.
    pub num_own: usize,
}

/// Sizes of the category inputs, and the static inputs of the series.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SideInputs {
    /// Number of categories of each category input that is common to all series.
    pub common: Vec<usize>,
    /// Number of categories of each category input that the series have for their own.
    pub own: Vec<usize>,
    /// `[Nx, A]`, the static inputs; empty without them.
    pub statics: Vec<f32>,
}

impl WindowShape {
    /// S = L + H.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.history + self.horizon
    }

    /// Nx = Nc + Nt.
    #[must_use]
    pub fn num_series(&self) -> usize {
        self.num_covariates + self.num_targets
    }

    /// Number of elements of `values` and of `observed`: S Nx F.
    #[must_use]
    pub fn values_len(&self) -> usize {
        self.steps() * self.num_series() * self.num_channels
    }

    /// Number of elements of `calendar`: S C.
    #[must_use]
    pub fn calendar_len(&self) -> usize {
        self.steps() * self.num_calendar
    }

    /// Number of elements of `common`: S times the common category inputs.
    #[must_use]
    pub fn common_len(&self) -> usize {
        self.steps() * self.num_common
    }

    /// Number of elements of `own`: S Nx times the category inputs of each series.
    #[must_use]
    pub fn own_len(&self) -> usize {
        self.steps() * self.num_series() * self.num_own
    }

    /// Number of elements of `target` and of `target_observed`: H Nt.
    #[must_use]
    pub fn target_len(&self) -> usize {
        self.horizon * self.num_targets
    }
}

/// Buffers of one window, all row-major. The order of the series is covariates, then targets.
#[derive(Debug)]
pub struct WindowMut<'a> {
    /// `[S, Nx, F]`, standardised; 0 if unobserved.
    pub values: &'a mut [f32],
    /// `[S, Nx, F]`, 1 if the value is known when the forecast is made, otherwise 0.
    pub observed: &'a mut [f32],
    /// `[S, C]`.
    pub calendar: &'a mut [f32],
    /// `[S, Qc]`, codes of the categories that are common to all series: 1 for the first, 0 for what is missing or not known.
    pub common: &'a mut [f32],
    /// `[S, Nx, Q]`, codes of the categories of each series; 0 for covariates.
    pub own: &'a mut [f32],
    /// `[H, Nt]`, standardised true values; 0 if unobserved.
    pub target: &'a mut [f32],
    /// `[H, Nt]`, 1 if the true value is observed, otherwise 0.
    pub target_observed: &'a mut [f32],
}

impl WindowMut<'_> {
    pub(super) fn check(&self, shape: &WindowShape) {
        let Self { values, observed, calendar, common, own, target, target_observed } = self;
        let found = [&**values, observed, calendar, common, own, target, target_observed].map(<[f32]>::len);
        let (values, target) = (shape.values_len(), shape.target_len());
        let expected = [values, values, shape.calendar_len(), shape.common_len(), shape.own_len(), target, target];
        assert_eq!(found, expected, "buffer lengths of a window");
    }
}

/// Owned buffers of one window.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowBuffers {
    /// `[S, Nx, F]`.
    pub values: Vec<f32>,
    /// `[S, Nx, F]`.
    pub observed: Vec<f32>,
    /// `[S, C]`.
    pub calendar: Vec<f32>,
    /// `[S, Qc]`.
    pub common: Vec<f32>,
    /// `[S, Nx, Q]`.
    pub own: Vec<f32>,
    /// `[H, Nt]`.
    pub target: Vec<f32>,
    /// `[H, Nt]`.
    pub target_observed: Vec<f32>,
}

impl WindowBuffers {
    /// Buffers of these sizes, filled with zeros.
    #[must_use]
    pub fn new(shape: &WindowShape) -> Self {
        Self {
            values: vec![0.0; shape.values_len()],
            observed: vec![0.0; shape.values_len()],
            calendar: vec![0.0; shape.calendar_len()],
            common: vec![0.0; shape.common_len()],
            own: vec![0.0; shape.own_len()],
            target: vec![0.0; shape.target_len()],
            target_observed: vec![0.0; shape.target_len()],
        }
    }

    /// The mutable buffers.
    pub fn as_mut(&mut self) -> WindowMut<'_> {
        WindowMut {
            values: &mut self.values,
            observed: &mut self.observed,
            calendar: &mut self.calendar,
            common: &mut self.common,
            own: &mut self.own,
            target: &mut self.target,
            target_observed: &mut self.target_observed,
        }
    }
}

/// A source of numbered windows of one shape.
pub trait WindowSource {
    /// Sizes of every window.
    fn shape(&self) -> &WindowShape;

    /// Number of windows.
    fn len(&self) -> usize;

    /// Whether there are no windows.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills the buffers of one window. It writes every element.
    ///
    /// # Panics
    /// If `index` is not less than [`WindowSource::len`] or a buffer has the wrong length.
    fn fill(&self, index: usize, out: WindowMut<'_>);
}
