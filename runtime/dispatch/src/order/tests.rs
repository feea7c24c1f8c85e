//! The order's rules, one by one.

use super::*;

fn place(seq: u64) -> Place {
    Place { seq, run: RunId::of_parts(&[&seq.to_be_bytes()]) }
}

fn insert(order: &mut Order, seq: u64, lane: &str, resource: &str, begun: bool) {
    let key = (None, resource.parse().unwrap());
    order.insert(place(seq), &lane.parse().unwrap(), Some(&key), begun, false);
}

/// Applies the changes to `ready` and gives it back as seqs.
fn ready(order: &mut Order, ready: &mut BTreeSet<u64>) -> Vec<u64> {
    for (place, on) in order.take_changes() {
        assert!(if on { ready.insert(place.seq) } else { ready.remove(&place.seq) }, "told twice");
    }
    ready.iter().copied().collect()
}

#[test]
fn a_lane_goes_one_at_a_time_in_seq_order_also_when_they_come_out_of_order() {
    let (mut order, mut set) = (Order::new(), BTreeSet::new());
    insert(&mut order, 3, "a", "Task/3", false);
    insert(&mut order, 1, "a", "Task/1", false);
    insert(&mut order, 2, "b", "Task/2", false);
    assert_eq!(ready(&mut order, &mut set), [1, 2]);
    order.start(place(1));
    assert_eq!(ready(&mut order, &mut set), [2]);
    order.stop(place(1));
    assert_eq!(ready(&mut order, &mut set), [1, 2], "what failed holds its lane");
    order.remove(place(1));
    assert_eq!(ready(&mut order, &mut set), [2, 3]);
}

#[test]
fn a_resource_keeps_its_order_across_lanes() {
    let (mut order, mut set) = (Order::new(), BTreeSet::new());
    insert(&mut order, 1, "a", "Task/9", false);
    insert(&mut order, 2, "a", "Task/1", false);
    insert(&mut order, 3, "b", "Task/1", false);
    insert(&mut order, 4, "c", "Task/1", false);
    assert_eq!(ready(&mut order, &mut set), [1]);
    order.remove(place(1));
    assert_eq!(ready(&mut order, &mut set), [2]);
    order.start(place(2));
    assert!(ready(&mut order, &mut set).is_empty());
    order.remove(place(2));
    assert_eq!(ready(&mut order, &mut set), [3]);
}

#[test]
fn what_has_begun_goes_first_and_waits_for_no_older_one() {
    let (mut order, mut set) = (Order::new(), BTreeSet::new());
    insert(&mut order, 1, "b", "Task/1", false);
    insert(&mut order, 2, "a", "Task/2", false);
    assert_eq!(ready(&mut order, &mut set), [1, 2]);
    insert(&mut order, 5, "a", "Task/1", true);
    assert_eq!(ready(&mut order, &mut set), [5], "its lane and its resource wait for it");
    order.start(place(5));
    order.remove(place(5));
    assert_eq!(ready(&mut order, &mut set), [1, 2]);
}

#[test]
fn a_dead_letter_that_is_held_stays_first_until_it_is_let_go() {
    let (mut order, mut set) = (Order::new(), BTreeSet::new());
    insert(&mut order, 1, "a", "Task/1", false);
    insert(&mut order, 2, "a", "Task/2", false);
    insert(&mut order, 3, "b", "Task/1", false);
    order.start(place(1));
    order.stop(place(1));
    order.set_held(place(1), true);
    assert!(ready(&mut order, &mut set).is_empty(), "neither its lane nor its resource goes on");
    assert!(order.is_held(&"a".parse().unwrap()) && !order.is_held(&"b".parse().unwrap()));
    assert_eq!(order.last_of_lane(&"a".parse().unwrap()), Some(place(2)));
    insert(&mut order, 4, "b", "Task/2", false);
    assert_eq!(order.last_of_lane(&"a".parse().unwrap()), None, "4 waits for it");
    order.remove(place(4));
    order.set_held(place(1), false);
    assert_eq!(ready(&mut order, &mut set), [1], "opened again it is still first");
    order.set_held(place(1), true);
    order.remove(place(1));
    assert_eq!(ready(&mut order, &mut set), [2, 3]);
}

#[test]
fn nothing_is_kept_of_what_has_left() {
    let (mut order, mut set) = (Order::new(), BTreeSet::new());
    for seq in 1..=9 {
        insert(&mut order, seq, if seq % 2 == 0 { "a" } else { "b" }, "Task/1", false);
    }
    order.start(place(1));
    assert_eq!(order.newest_idle(), Some(place(9)));
    for seq in 1..=9 {
        order.remove(place(seq));
        ready(&mut order, &mut set);
    }
    assert!(set.is_empty() && order.members.is_empty());
    assert!(order.lanes.numbers.is_empty() && order.lanes.queues.is_empty());
    assert!(order.resources.numbers.is_empty() && order.resources.queues.is_empty());
}
