//! What can be wrong with a sampling configuration.

/// A sampling configuration that cannot be meant; the message says what to write instead.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SamplingError {
    /// A ratio that is no share of anything.
    #[error("{what}: {ratio} is not a ratio; write a number from 0 (nothing) to 1 (everything), such as 0.1 for 10 %")]
    Ratio {
        /// Where it was given.
        what: String,
        /// What was given.
        ratio: f64,
    },
    /// An argument that is not a number.
    #[error("sampler \"{sampler}\": \"{argument}\" is not a ratio; write a number from 0 to 1, such as 0.1 for 10 %")]
    Argument {
        /// The sampler.
        sampler: String,
        /// What was given.
        argument: String,
    },
    /// A sampler nobody knows.
    #[error(
        "sampler \"{name}\" is not known; write one of always_on, always_off, traceidratio, parentbased_always_on, \
         parentbased_always_off, parentbased_traceidratio"
    )]
    Unknown {
        /// What was given.
        name: String,
    },
    /// A number that cannot be compared with.
    #[error("{what}: {value} cannot be a threshold; write a number that is not negative")]
    Threshold {
        /// Where it was given.
        what: String,
        /// What was given.
        value: f64,
    },
    /// Nothing can be kept in a buffer of this size.
    #[error("buffer_bytes: {bytes} bytes hold no trace; write at least {least}")]
    Buffer {
        /// What was given.
        bytes: usize,
        /// The least that works.
        least: usize,
    },
}
