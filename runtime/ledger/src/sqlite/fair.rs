//! Sharing: of several queues, each in its order, as much of each as there is room for.

use hob_model::Timestamp;

/// The heads of all queues first, then the seconds, and so on, `limit` at most; at one depth the earliest first. A queue that is long keeps no
/// other waiting, and one whose head is older than others' comes to its turn however many queues there are.
pub(super) fn shared<T>(queues: Vec<Vec<(Timestamp, T)>>, limit: usize) -> Vec<T> {
    let ranked = queues.into_iter().flat_map(|queue| queue.into_iter().enumerate());
    let mut ranked: Vec<(usize, Timestamp, T)> = ranked.map(|(depth, (due, one))| (depth, due, one)).collect();
    ranked.sort_by_key(|(depth, due, _)| (*depth, *due));
    ranked.truncate(limit);
    ranked.into_iter().map(|(_, _, one)| one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_heads_come_first_and_a_long_queue_keeps_nobody_waiting() {
        let queue = |dues: &[i64]| dues.iter().map(|due| (Timestamp::from_micros(*due), *due)).collect::<Vec<_>>();
        let queues = || vec![queue(&[1, 2, 3, 4]), queue(&[9]), queue(&[5, 6])];
        assert_eq!(shared(queues(), 4), [1, 5, 9, 2]);
        assert_eq!(shared(queues(), 99), [1, 5, 9, 2, 6, 3, 4]);
        assert_eq!(shared(queues(), 1), [1], "with less room than queues the oldest head has it");
    }
}
