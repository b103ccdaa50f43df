//! Retention as deployed agents allow it.

use std::collections::BTreeMap;

use sabot_common::registry;
use sabot_runtime::describe;
use sabot_store::StoreError;

use super::Platform;

impl Platform {
    /// Removes what streams need not keep. Rows that went before an agent had read them are counted as dropped. The
    /// first failure is told when all streams had their turn.
    pub(crate) fn apply_retention(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut outcome = Ok(());
        for stream in self.store.streams().iter().filter(|stream| stream.spec.retention.is_some()) {
            let name = &stream.spec.name;
            let floors = self.floors(name);
            match self
                .store
                .apply_retention(name, now, &|partition| floors.as_ref()?.get(&partition).copied().or(Some(0)))
            {
                Ok(stats) if stats.segments > 0 => {
                    tracing::info!(stream = name, segments = stats.segments, rows = stats.rows, "rows retired");
                    let dropped = describe(&registry::EVENTS_DROPPED);
                    self.registry.counter(&dropped, &[name, "", "retired"]).add(stats.unread_rows);
                }
                Ok(_) => {}
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        outcome
    }

    /// The lowest committed offset of a stream's readers by partition; none when nobody reads it. A partition that is
    /// not listed has a reader that has not committed anything of it.
    fn floors(&self, stream: &str) -> Option<BTreeMap<u32, u64>> {
        let readers: Vec<String> = self.inspect(|_, agents| {
            let reads =
                |agent: &&super::AgentEntry| agent.plan.as_ref().map_or(true, |plan| plan.plan.scan.relation == stream);
            agents.values().filter(reads).map(|agent| agent.config.name.to_string()).collect()
        });
        let of_reader = |reader: &String| -> BTreeMap<u32, u64> {
            let commit = self.store.last_commit(reader);
            let inputs = commit.into_iter().flat_map(|commit| commit.inputs);
            inputs.filter(|input| input.stream == stream).map(|input| (input.partition, input.offset)).collect()
        };
        let mut floors = readers.iter().map(of_reader);
        let first = floors.next()?;
        Some(floors.fold(first, |lowest, next| {
            lowest
                .into_iter()
                .filter_map(|(partition, floor)| Some((partition, floor.min(*next.get(&partition)?))))
                .collect()
        }))
    }
}
