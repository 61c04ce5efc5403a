// The values that change from step to step; they are the same in every kernel (Rust: ops::twin::StepValues).
struct Step {
    windows: u32,        // windows in this micro-batch (1 in prologue and epilogue)
    first_window: u32,   // index of the first of them in the order of the epoch
    key0: u32,           // keys of random numbers, from seed and step
    key1: u32,
    learning_rate: f32,
    inverse_count: f32,  // 1 / max(1, observed targets of the whole batch)
    inverse_windows: f32, // 1 / windows of the whole batch
    shrink: f32,         // what the proximal step takes from the norm of every driver edge; 0: no such step
}
@group(0) @binding(1) var<uniform> step: Step;

// Number of windows that this dispatch processes: a chunk may end beyond the last window of a short micro-batch. Each op has its own
// Params, but all start with the same fields.
fn active_windows() -> u32 {
    return min(params.windows, step.windows - params.window0);
}
