//! Why an agent or a source cannot be built.

use sabot_sql::SqlError;
use sabot_store::StoreError;

/// A declaration that cannot become a job.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The SQL does not plan.
    #[error("{owner}: sql: {error}")]
    Sql {
        /// What the SQL belongs to, such as `agent "hourly-delays"`.
        owner: String,
        /// What is wrong with it.
        error: SqlError,
    },
    /// A declaration asks for what is not there.
    #[error("{owner}: {problem}")]
    Declaration {
        /// What was declared, such as `stream "flights"`.
        owner: String,
        /// What is wrong and how to mend it.
        problem: String,
    },
    /// Storage refused.
    #[error("{owner}: {error}")]
    Store {
        /// What was being built.
        owner: String,
        /// What storage said.
        error: StoreError,
    },
    /// State could not be restored.
    #[error("{owner}: {error}")]
    Job {
        /// What was being started.
        owner: String,
        /// What happened.
        error: sabot_runtime::JobError,
    },
}

impl EngineError {
    pub(crate) fn declaration(owner: &str, problem: impl Into<String>) -> Self {
        Self::Declaration { owner: owner.to_owned(), problem: problem.into() }
    }

    pub(crate) fn sql(owner: &str) -> impl FnOnce(SqlError) -> Self + use<> {
        let owner = owner.to_owned();
        move |error| Self::Sql { owner, error }
    }

    pub(crate) fn store(owner: &str) -> impl FnOnce(StoreError) -> Self + use<> {
        let owner = owner.to_owned();
        move |error| Self::Store { owner, error }
    }
}
