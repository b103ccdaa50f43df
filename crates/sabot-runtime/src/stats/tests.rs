//! What a job says of itself is of all its tasks.

use std::sync::atomic::Ordering;

use super::{JobState, JobStats};

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

#[test]
fn only_a_running_job_says_that_it_drains() {
    for before in JobState::ALL {
        let stats = JobStats::new(&[], 0);
        stats.set_state(before, None);
        stats.set_draining();
        let expected = if before == JobState::Running { JobState::Draining } else { before };
        assert_eq!(stats.state().0, expected);
    }
}

#[test]
fn a_disk_with_room_again_does_not_make_a_draining_job_run() {
    let stats = JobStats::new(&[], 0);
    stats.set_state(JobState::Running, None);
    stats.set_draining();
    stats.set_disk_full(true);
    stats.set_disk_full(false);
    assert_eq!(stats.state().0, JobState::Draining);
}
