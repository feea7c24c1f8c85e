//! Whose turn it is: round robin over tenants, and within a tenant over its bots.
//!
//! The one that was served longest ago goes first. Who had nothing to do meanwhile keeps the place, so a bot with one run a day
//! goes before one that floods. With t tenants and b bots of the tenant that can start, nobody waits for more than t·b starts.

use std::collections::{BTreeMap, BTreeSet};

/// Bots that have something to start, in the order of their turns.
#[derive(Debug)]
pub(crate) struct Turns<T, B> {
    /// Counts starts.
    clock: u64,
    tenants: BTreeMap<T, Tenant<B>>,
    order: BTreeSet<(u64, T)>,
}

#[derive(Debug)]
struct Tenant<B> {
    served: u64,
    bots: BTreeMap<B, u64>,
    order: BTreeSet<(u64, B)>,
}

impl<T: Ord + Copy, B: Ord + Copy> Turns<T, B> {
    pub(crate) const fn new() -> Self {
        Self { clock: 0, tenants: BTreeMap::new(), order: BTreeSet::new() }
    }

    /// Whether `bot` has something to start from now on.
    pub(crate) fn set(&mut self, tenant: T, bot: B, active: bool) {
        let row =
            self.tenants.entry(tenant).or_insert_with(|| Tenant { served: 0, bots: BTreeMap::new(), order: BTreeSet::new() });
        let key = (*row.bots.entry(bot).or_insert(0), bot);
        let changed = if active { row.order.insert(key) } else { row.order.remove(&key) };
        if changed {
            if row.order.is_empty() {
                self.order.remove(&(row.served, tenant));
            } else {
                self.order.insert((row.served, tenant));
            }
        }
    }

    /// Forgets a bot, and its tenant with the last one.
    pub(crate) fn remove(&mut self, tenant: T, bot: B) {
        self.set(tenant, bot, false);
        if let Some(row) = self.tenants.get_mut(&tenant) {
            row.bots.remove(&bot);
            if row.bots.is_empty() {
                self.tenants.remove(&tenant);
            }
        }
    }

    /// The first in order for which `find` finds something: that is its turn.
    pub(crate) fn take<R>(&mut self, mut find: impl FnMut(B) -> Option<R>) -> Option<(B, R)> {
        let mut ring = self.order.iter().filter_map(|(_, tenant)| Some((*tenant, self.tenants.get(tenant)?)));
        let (tenant, bot, found) =
            ring.find_map(|(tenant, row)| row.order.iter().find_map(|(_, bot)| Some((tenant, *bot, find(*bot)?))))?;
        self.clock += 1;
        if let Some(row) = self.tenants.get_mut(&tenant) {
            self.order.remove(&(row.served, tenant));
            row.served = self.clock;
            self.order.insert((row.served, tenant));
            if let Some(served) = row.bots.get_mut(&bot) {
                row.order.remove(&(*served, bot));
                *served = self.clock;
                row.order.insert((*served, bot));
            }
        }
        Some((bot, found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(turns: &mut Turns<u8, char>, barred: &[char]) -> Option<char> {
        turns.take(|bot| (!barred.contains(&bot)).then_some(())).map(|(bot, ())| bot)
    }

    #[test]
    fn tenants_share_first_then_their_bots() {
        let mut turns = Turns::new();
        for (tenant, bot) in [(1, 'a'), (1, 'b'), (1, 'c'), (2, 'x')] {
            turns.set(tenant, bot, true);
        }
        let order: String = (0..6).filter_map(|_| take(&mut turns, &[])).collect();
        assert_eq!(order, "axbxcx");
        turns.set(2, 'x', false);
        let order: String = (0..3).filter_map(|_| take(&mut turns, &[])).collect();
        assert_eq!(order, "abc");
    }

    #[test]
    fn who_cannot_start_keeps_the_place_and_who_was_idle_comes_first() {
        let mut turns = Turns::new();
        for bot in ['a', 'b', 'c'] {
            turns.set(1, bot, true);
        }
        assert_eq!(take(&mut turns, &['a']), Some('b'));
        assert_eq!(take(&mut turns, &[]), Some('a'));
        turns.set(1, 'c', false);
        assert_eq!(take(&mut turns, &[]), Some('b'));
        assert_eq!(take(&mut turns, &[]), Some('a'));
        turns.set(1, 'c', true);
        assert_eq!(take(&mut turns, &[]), Some('c'));
        assert_eq!(take(&mut turns, &['a', 'b', 'c']), None);
        for bot in ['a', 'b', 'c'] {
            turns.remove(1, bot);
        }
        assert_eq!(take(&mut turns, &[]), None);
        assert!(turns.tenants.is_empty() && turns.order.is_empty());
    }
}
