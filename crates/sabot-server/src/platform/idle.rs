//! Whether anything is left to do.

use std::collections::BTreeSet;

use sabot_common::config::{LateTo, Output};
use sabot_common::units::format_count;
use sabot_runtime::JobState;

use super::{AgentEntry, Platform, State};

impl Platform {
    /// Whether nothing is left to do: every job is over, or has read all there is and waits for rows that nobody will
    /// write, because their writer failed, was stopped or was deleted.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.state();
        if !state.sources.values().all(|source| source.status().0.is_over()) {
            return false;
        }
        let mut busy: Vec<&AgentEntry> = state.agents.values().filter(|agent| !agent.status().0.is_over()).collect();
        loop {
            let before = busy.len();
            let written: BTreeSet<String> = busy.iter().flat_map(|agent| outputs(agent)).collect();
            busy.retain(|agent| self.has_work(&state, agent, &written));
            if busy.is_empty() || busy.len() == before {
                return busy.is_empty();
            }
        }
    }

    /// Agents that have not come to the end of their input and have not failed, for when nothing is left to do: what keeps
    /// each from it, and what to do.
    pub(crate) fn unfinished(&self) -> Vec<String> {
        let state = self.state();
        let told = state.agents.iter().filter_map(|(name, agent)| {
            let input = agent.plan.as_ref().map_or("its input", |plan| &plan.plan.scan.relation);
            match agent.status().0 {
                JobState::Finished | JobState::Failed => None,
                JobState::Stopped | JobState::Draining => {
                    let unread = format_count(self.unread(name, input));
                    Some(format!(
                        "agent {name} is stopped and has {unread} events of {input} to read; `sabot agents start {name}`"
                    ))
                }
                JobState::Waiting => {
                    let what = agent.waits_for().unwrap_or("what it joins");
                    Some(format!("agent {name} waits for {what}, which nobody completes"))
                }
                JobState::Running | JobState::DiskFull => {
                    Some(format!("agent {name} has read all there is of {input}, which nobody finishes"))
                }
            }
        });
        told.collect()
    }

    fn has_work(&self, state: &State, agent: &AgentEntry, written: &BTreeSet<String>) -> bool {
        let Ok(plan) = &agent.plan else { return false };
        if agent.status().0 == JobState::Waiting {
            let is_complete = |table: &str| {
                let changelog = state.tables.get(table).and_then(|t| self.store.stream(&t.changelog_spec().name));
                changelog.is_some_and(|changelog| changelog.finished)
            };
            return plan.plan.tables().all(|table| is_complete(table) || written.contains(table));
        }
        let input = &plan.plan.scan.relation;
        // The end of a finished input is still on its way to the agent, or its last commit.
        written.contains(input)
            || self.store.stream(input).is_some_and(|stream| stream.finished)
            || self.unread(agent.config.name.as_str(), input) > 0
    }
}

/// Streams and tables an agent writes.
fn outputs(agent: &AgentEntry) -> impl Iterator<Item = String> {
    let main = match &agent.config.output {
        Output::Stream { name, .. } | Output::Table { name, .. } => Some(name.to_string()),
        Output::File(_) | Output::Console | Output::Blackhole => None,
    };
    let late = match &agent.config.late.to {
        LateTo::Stream(name) => Some(name.to_string()),
        LateTo::Drop => None,
    };
    main.into_iter().chain(late)
}
