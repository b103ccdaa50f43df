//! Agents the project had once, and has no more: they do not run and are not listed, but what they made and how far they
//! were is kept, so that their file can come back. Only `agents delete` forgets.

use sabot_common::config::{AgentConfig, Output};
use sabot_common::units::format_count;
use sabot_engine::agent::AgentPlan;

use super::catalog::{AgentRow, Origin};
use super::{Platform, PlatformError};

impl Platform {
    /// Agents of earlier starts that go on beside the project's own, and a line for each that does not: its file is gone.
    pub(super) fn rows_beside(&self, project: &[AgentConfig]) -> Result<(Vec<AgentRow>, Vec<String>), PlatformError> {
        let (mut rows, mut warnings) = (Vec::new(), Vec::new());
        for row in self.agent_rows()? {
            if project.iter().any(|agent| agent.name == row.config.name) {
                continue;
            }
            match row.origin {
                Origin::Deployed => rows.push(row),
                Origin::Project => {
                    self.keep_table(&row.config);
                    let name = &row.config.name;
                    warnings.push(format!(
                        "agent \"{name}\" is not in the project any more; what it made and its progress stay (`sabot agents delete {name} --confirm` forgets them)"
                    ));
                }
            }
        }
        Ok((rows, warnings))
    }

    /// Streams are there as long as the store has them; a table has to be named by somebody.
    fn keep_table(&self, away: &AgentConfig) {
        if let Output::Table { name, .. } = &away.output
            && let Some(table) = self.store.table(name.as_str())
        {
            self.state().tables.entry(name.to_string()).or_insert(table);
        }
    }

    /// What an agent that starts from the beginning adds to: its output streams with rows in them.
    pub(super) fn rows_from_before(&self, plan: &AgentPlan) -> Vec<String> {
        if self.store.last_commit(plan.config.name.as_str()).is_some() {
            return Vec::new();
        }
        let outputs = plan.output_stream().into_iter().chain(plan.late_stream());
        let told = outputs.filter_map(|spec| {
            let stream = self.store.stream(&spec.name)?;
            let rows: u64 = stream.partitions.iter().map(|p| p.latest.saturating_sub(p.earliest)).sum();
            let rows = match rows {
                0 => return None,
                1 => "1 row".to_owned(),
                more => format!("{} rows", format_count(more)),
            };
            Some(format!("{} has {rows} from before; new ones are added", spec.name))
        });
        told.collect()
    }
}
