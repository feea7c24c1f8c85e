//! Putting the versions of a resource in order: pure, so that every case is a test.
//!
//! Order is the position in the instance's history; a version id is opaque unless the source was proved to count. Notifications come
//! late, twice, out of order, or not at all: what matters is only which versions stand in the history after the newest one that
//! was resolved.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use hob_model::{Change, ChangeKey, Interaction, ResourceKey, Timestamp, VersionId};
use serde_json::Value;

/// One entry of an instance's history.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Version {
    pub(crate) version: VersionId,
    pub(crate) deleted: bool,
    pub(crate) occurred: Option<Timestamp>,
    pub(crate) resource: Option<Value>,
}

/// The newest version of a resource that was resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) version: VersionId,
    pub(crate) occurred: Option<Timestamp>,
}

/// What must be looked up to put a notified version in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// At or below the mark: nothing to do.
    Duplicate,
    /// The one after the mark: nothing lies between.
    Next,
    /// Only the history tells.
    History,
}

/// Judges a notified version against the mark. `counts`: the source was proved to number versions by one.
pub(crate) fn look(mark: Option<&Mark>, notified: Option<&VersionId>, counts: bool) -> Look {
    let Some(notified) = notified else { return Look::History };
    if mark.is_some_and(|mark| mark.version == *notified) {
        return Look::Duplicate;
    }
    if !counts {
        return Look::History;
    }
    let before = mark.map_or(Some(0), |mark| mark.version.number());
    match (before, notified.number()) {
        (Some(before), Some(notified)) if notified <= before => Look::Duplicate,
        (Some(before), Some(notified)) if notified == before + 1 => Look::Next,
        _ => Look::History,
    }
}

/// Puts a history of counted versions in the order of their numbers, newest first. HAPI's comes in the order of `lastUpdated`, which it takes when
/// a transaction begins: of two that commit at one time the later version may bear the earlier instant.
pub(crate) fn by_number(history: &mut [Version]) {
    history.sort_by_key(|v| Reverse(v.version.number()));
}

/// How far a history must be read: to the mark, or to what is older than `since`. Where versions count, none may be missing before the mark: it
/// may stand on the next page.
pub(crate) fn reaches(history: &[Version], mark: Option<&Mark>, since: Option<Timestamp>, counts: bool) -> bool {
    let next_to = |two: &[Version]| two[0].version.number() == two[1].version.number().map(|older| older + 1);
    match mark {
        Some(mark) => {
            let end = history.iter().position(|v| v.version == mark.version);
            end.is_some_and(|end| !counts || history[..=end].windows(2).all(next_to))
        }
        None => history.iter().any(|v| is_before(v, since)),
    }
}

/// The highest version that a history should show and does not: below its newest, down to the mark; without a mark down to the first, or to what is
/// older than `since`. `history` is by number, the newest first; `purged` are those that the source no longer has, with all that was below them.
pub(crate) fn missing(history: &[Version], mark: Option<&Mark>, since: Option<Timestamp>, purged: &BTreeSet<u64>) -> Option<u64> {
    let floor = mark.map_or(Some(1), |mark| mark.version.number())?;
    for (place, version) in history.iter().enumerate() {
        let number = version.version.number()?;
        if number <= floor || (mark.is_none() && is_before(version, since)) {
            return None;
        }
        let older = history.get(place + 1).and_then(|older| older.version.number());
        if older != Some(number - 1) && !purged.contains(&(number - 1)) {
            return Some(number - 1);
        }
    }
    None
}

fn is_before(version: &Version, since: Option<Timestamp>) -> bool {
    matches!((version.occurred, since), (Some(at), Some(since)) if at < since)
}

/// The changes after the mark, oldest first. `history` is newest first; `whole` says that it goes back to the first version.
pub(crate) fn unseen(
    key: &ResourceKey,
    history: &[Version],
    whole: bool,
    mark: Option<&Mark>,
    since: Option<Timestamp>,
) -> Vec<Change> {
    let end = match mark {
        Some(mark) => history.iter().position(|v| v.version == mark.version).unwrap_or_else(|| {
            // The mark's version was purged from the history: what is newer by the server's clock is what is left to go by.
            let is_seen = |v: &Version| matches!((v.occurred, mark.occurred), (Some(at), Some(seen)) if at <= seen);
            history.iter().position(is_seen).unwrap_or(history.len())
        }),
        None => history.iter().position(|v| is_before(v, since)).unwrap_or(history.len()),
    };
    let change = |at: usize| {
        let (version, older) = (&history[at], history.get(at + 1));
        let interaction = match older {
            _ if version.deleted => Interaction::Delete,
            None if whole => Interaction::Create,
            _ => Interaction::Update,
        };
        let content = match interaction {
            Interaction::Delete => history[at..].iter().find_map(|v| v.resource.clone()),
            _ => version.resource.clone(),
        };
        Change {
            key: ChangeKey { resource: key.clone(), version: version.version.clone() },
            interaction,
            previous: older.map(|v| v.version.clone()),
            occurred: version.occurred,
            resource: content,
        }
    };
    (0..end).rev().map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key() -> ResourceKey {
        ResourceKey { tenant: "t".parse().unwrap(), source: "s".parse().unwrap(), resource: "Task/1".parse().unwrap() }
    }

    fn version(number: u64, deleted: bool) -> Version {
        Version {
            version: number.to_string().parse().unwrap(),
            deleted,
            occurred: Some(Timestamp::from_micros(i64::try_from(number).unwrap() * 10)),
            resource: (!deleted).then(|| json!({"resourceType": "Task", "n": number})),
        }
    }

    fn mark(number: u64) -> Mark {
        Mark {
            version: number.to_string().parse().unwrap(),
            occurred: Some(Timestamp::from_micros(i64::try_from(number).unwrap() * 10)),
        }
    }

    fn brief(changes: &[Change]) -> Vec<(String, Interaction, Option<String>, Option<u64>)> {
        let one = |c: &Change| {
            let n = c.resource.as_ref().and_then(|r| r["n"].as_u64());
            (c.key.version.to_string(), c.interaction, c.previous.as_ref().map(ToString::to_string), n)
        };
        changes.iter().map(one).collect()
    }

    #[test]
    fn a_version_is_looked_at_only_as_far_as_it_must_be() {
        let id = |text: &str| text.parse::<VersionId>().unwrap();
        assert_eq!(look(Some(&mark(3)), Some(&id("4")), true), Look::Next);
        assert_eq!(look(Some(&mark(3)), Some(&id("5")), true), Look::History);
        assert_eq!(look(Some(&mark(3)), Some(&id("3")), true), Look::Duplicate);
        assert_eq!(look(Some(&mark(3)), Some(&id("2")), true), Look::Duplicate);
        assert_eq!(look(None, Some(&id("1")), true), Look::Next);
        assert_eq!(look(None, Some(&id("2")), true), Look::History);
        assert_eq!(look(Some(&mark(3)), None, true), Look::History);
        // Nobody proved that this server counts.
        assert_eq!(look(Some(&mark(3)), Some(&id("4")), false), Look::History);
        assert_eq!(look(Some(&mark(3)), Some(&id("3")), false), Look::Duplicate);
        assert_eq!(look(Some(&mark(3)), Some(&id("b2f9")), true), Look::History);
    }

    #[test]
    fn what_lies_between_comes_in_order_with_what_was_before_it() {
        let history = [version(4, true), version(3, false), version(2, false), version(1, false)];
        let changes = unseen(&key(), &history, true, Some(&mark(1)), None);
        assert_eq!(
            brief(&changes),
            [
                ("2".into(), Interaction::Update, Some("1".into()), Some(2)),
                ("3".into(), Interaction::Update, Some("2".into()), Some(3)),
                ("4".into(), Interaction::Delete, Some("3".into()), Some(3)),
            ]
        );
        let all = unseen(&key(), &history, true, None, None);
        assert_eq!(all[0].interaction, Interaction::Create);
        assert_eq!(unseen(&key(), &history[..3], false, None, None)[0].interaction, Interaction::Update);
        assert!(unseen(&key(), &history, true, Some(&mark(4)), None).is_empty());
    }

    #[test]
    fn a_history_by_time_is_put_in_the_order_of_its_numbers() {
        let mut history = [version(5, false), version(3, false), version(4, false), version(2, false)];
        assert!(reaches(&history[..2], Some(&mark(3)), None, false), "a server that does not count is taken at its word");
        assert!(!reaches(&history[..2], Some(&mark(3)), None, true), "4 may stand on the next page");
        by_number(&mut history);
        assert!(reaches(&history, Some(&mark(3)), None, true));
        let versions = |changes: Vec<Change>| changes.iter().map(|c| c.key.version.to_string()).collect::<Vec<_>>();
        assert_eq!(versions(unseen(&key(), &history, false, Some(&mark(3)), None)), ["4", "5"]);
        assert_eq!(versions(unseen(&key(), &history, false, Some(&mark(2)), None)), ["3", "4", "5"]);
    }

    #[test]
    fn what_a_history_lacks_is_asked_for_by_number() {
        let none = BTreeSet::new();
        let of = |numbers: &[u64]| numbers.iter().map(|number| version(*number, false)).collect::<Vec<_>>();
        let cut = of(&[8, 7, 6]);
        assert_eq!(missing(&cut, None, None, &none), Some(5));
        assert_eq!(missing(&cut, Some(&mark(4)), None, &none), Some(5));
        assert_eq!(missing(&of(&[8, 7, 6, 5]), Some(&mark(4)), None, &none), Some(4), "the mark's own is what came before 5");
        assert_eq!(missing(&cut, Some(&mark(6)), None, &none), None);
        assert_eq!(missing(&of(&[9, 7, 6]), Some(&mark(6)), None, &none), Some(8));
        assert_eq!(missing(&of(&[2, 1]), None, None, &none), None);
        // Versions 1 to 5 are older than the bot.
        assert_eq!(missing(&cut, None, Some(Timestamp::from_micros(65)), &none), None);
        assert_eq!(missing(&cut, None, Some(Timestamp::from_micros(55)), &none), Some(5));
        // What was purged is not asked for again; what is below it is on the list or gone too.
        assert_eq!(missing(&cut, None, None, &BTreeSet::from([5])), None);
        assert_eq!(missing(&of(&[9, 5, 4]), None, None, &BTreeSet::from([8])), Some(3));
        assert_eq!(missing(&[], None, None, &none), None);
    }

    #[test]
    fn a_bot_starts_at_its_mark_and_a_purged_mark_is_gone_round_by_time() {
        let history = [version(4, false), version(3, false), version(2, false)];
        let since = Some(Timestamp::from_micros(30));
        assert_eq!(unseen(&key(), &history, false, None, since).len(), 2);
        assert!(reaches(&history, None, since, true) && !reaches(&history[..1], None, since, true));
        let purged = Mark { version: "old".parse().unwrap(), occurred: Some(Timestamp::from_micros(25)) };
        assert_eq!(unseen(&key(), &history, false, Some(&purged), None).len(), 2);
    }
}
