//! Deployed agents as the catalog keeps them: a row each in the commit journal.

use serde::{Deserialize, Serialize};

use super::Platform;
use sabot_common::config::AgentConfig;
use sabot_store::StoreError;

const KIND: &str = "agent";

/// An agent's row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct AgentRow {
    pub(super) config: AgentConfig,
    /// Raised when a changed declaration is deployed.
    pub(super) version: u64,
    /// Where the declaration came from.
    pub(super) origin: Origin,
    /// Whether it should run.
    pub(super) running: bool,
}

/// Where a declaration came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Origin {
    /// A file of the project.
    Project,
    /// `agents deploy`.
    Deployed,
}

impl Platform {
    pub(super) fn agent_row(&self, name: &str) -> Result<Option<AgentRow>, StoreError> {
        self.store.get_record(KIND, name)
    }

    pub(super) fn agent_rows(&self) -> Result<Vec<AgentRow>, StoreError> {
        Ok(self.store.records::<AgentRow>(KIND)?.into_iter().map(|(_, row)| row).collect())
    }

    pub(super) fn save_agent(&self, row: &AgentRow) -> Result<(), StoreError> {
        self.store.put_record(KIND, row.config.name.as_str(), row)
    }

    /// An agent's row, state and progress, all at once.
    pub(super) fn forget(&self, name: &str) -> Result<(), StoreError> {
        self.store.forget_agent(name, &[(KIND, name)])
    }
}
