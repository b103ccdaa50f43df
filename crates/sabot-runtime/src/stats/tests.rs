//! What a job says of itself is of all its tasks.

use std::sync::atomic::Ordering;

use super::JobStats;

#[test]
fn state_is_the_sum_of_every_tasks_part() {
    let stats = JobStats::new(&[], 0);
    let (mut first, mut second) = (0, 0);
    stats.replace_state_bytes(&mut first, 100);
    stats.replace_state_bytes(&mut second, 30);
    assert_eq!(stats.state_bytes.load(Ordering::Relaxed), 130);
    stats.replace_state_bytes(&mut first, 10);
    assert_eq!(stats.state_bytes.load(Ordering::Relaxed), 40);
}
