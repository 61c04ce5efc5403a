//! Windows as the training loop sees them: sizes, buffers, and what a source of them must do.

/// Sizes of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowShape {
    /// L, steps of history.
    pub history: usize,
    /// H, steps of the horizon.
    pub horizon: usize,
    /// Nc, covariate series.
    pub num_covariates: usize,
    /// Nt, target series.
    pub num_targets: usize,
    /// F, channels of a series, at least 1: channel 0 is the series itself.
    pub num_channels: usize,
    /// C, calendar inputs (a sine and a cosine for each feature).
    pub num_calendar: usize,
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

    /// Elements of `values` and of `observed`: S Nx F.
    #[must_use]
    pub fn values_len(&self) -> usize {
        self.steps() * self.num_series() * self.num_channels
    }

    /// Elements of `calendar`: S C.
    #[must_use]
    pub fn calendar_len(&self) -> usize {
        self.steps() * self.num_calendar
    }

    /// Elements of `target` and of `target_observed`: H Nt.
    #[must_use]
    pub fn target_len(&self) -> usize {
        self.horizon * self.num_targets
    }
}

/// Buffers of one window, all row-major; series in the order covariates, targets.
#[derive(Debug)]
pub struct WindowMut<'a> {
    /// `[S, Nx, F]`, standardised; 0 where unobserved.
    pub values: &'a mut [f32],
    /// `[S, Nx, F]`, 1 where the value is known when the forecast is made, else 0.
    pub observed: &'a mut [f32],
    /// `[S, C]`.
    pub calendar: &'a mut [f32],
    /// `[H, Nt]`, standardised truth; 0 where unobserved.
    pub target: &'a mut [f32],
    /// `[H, Nt]`, 1 where the truth is observed, else 0.
    pub target_observed: &'a mut [f32],
}

impl WindowMut<'_> {
    pub(super) fn check(&self, shape: &WindowShape) {
        let found = [self.values.len(), self.observed.len(), self.calendar.len(), self.target.len(), self.target_observed.len()];
        let (values, target) = (shape.values_len(), shape.target_len());
        assert_eq!(found, [values, values, shape.calendar_len(), target, target], "buffer lengths of a window");
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
    /// `[H, Nt]`.
    pub target: Vec<f32>,
    /// `[H, Nt]`.
    pub target_observed: Vec<f32>,
}

impl WindowBuffers {
    /// Zeros of these sizes.
    #[must_use]
    pub fn new(shape: &WindowShape) -> Self {
        Self {
            values: vec![0.0; shape.values_len()],
            observed: vec![0.0; shape.values_len()],
            calendar: vec![0.0; shape.calendar_len()],
            target: vec![0.0; shape.target_len()],
            target_observed: vec![0.0; shape.target_len()],
        }
    }

    /// The buffers, to be filled.
    pub fn as_mut(&mut self) -> WindowMut<'_> {
        WindowMut {
            values: &mut self.values,
            observed: &mut self.observed,
            calendar: &mut self.calendar,
            target: &mut self.target,
            target_observed: &mut self.target_observed,
        }
    }
}

/// Numbered windows of one shape, wherever they come from.
pub trait WindowSource {
    /// Sizes of every window.
    fn shape(&self) -> &WindowShape;

    /// How many windows there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills the buffers of one window; every element is written.
    ///
    /// # Panics
    /// If `index` is not below [`WindowSource::len`] or a buffer has the wrong length.
    fn fill(&self, index: usize, out: WindowMut<'_>);
}
