//! The self-test of a device: what is tried, step by step, and what came of it.

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It went well.
    Passed,
    /// It did not; the rest of its rung is not tried.
    Failed,
    /// It was not tried: a step before it failed, or there is nothing to try it with.
    Skipped,
}

impl Outcome {
    /// Its name, as in tables.
    pub fn name(self) -> &'static str {
        ["passed", "FAILED", "skipped"][self as usize]
    }
}

/// A step of a self-test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestStep {
    /// The way of reaching the device that is tried: `zero-copy`, `copy`, `generic`, `af_packet`.
    pub rung: &'static str,
    /// What is tried: `attach`, `fill`, `bind`, `receive`, `transmit`, `wake-up`...
    pub step: &'static str,
    /// What came of it.
    pub outcome: Outcome,
    /// What that means here: of a failure the errno's meaning and what to do, of a success what it costs or gives.
    pub means: String,
}

/// Tries a way of reaching a device, by its name, and leaves the device as it was.
pub type SelfTest = fn(device: &str) -> Vec<TestStep>;
