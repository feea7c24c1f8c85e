//! What must be so in the end: the reference model, as questions to the server's whole history and to the ledger's runs.
//!
//! It knows nothing of lanes, fences, marks or attempts: only which versions people made, what each bot must make of each of them, and in which order.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use hob_ledger::{DeadFilter, Ledger as _, OutboxKey, REQUEST_UNKNOWN, RunFilter, RunRow};
use hob_model::{BotName, ChangeKey, Interaction, Reference, ResourceKey, RunId, RunState, VersionId};
use hob_testserver::{Kept, Server};
use serde_json::Value;

use super::{State, World, bots};
use crate::ledger::{ModelLedger, ModelStore};

/// A promise that a simulation saw broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// Which, in a word.
    pub rule: &'static str,
    /// About what: words by which its lines of the story are found.
    pub subject: Vec<String>,
    /// What was seen.
    pub what: String,
}

impl Breach {
    pub(super) fn new(rule: &'static str, subject: &impl ToString, what: impl Into<String>) -> Self {
        Self { rule, subject: vec![subject.to_string()], what: what.into() }
    }

    fn of(rule: &'static str, reference: &Reference, name: &str, what: impl Into<String>) -> Self {
        Self { rule, subject: vec![reference.to_string(), name.to_owned()], what: format!("{name}: {}", what.into()) }
    }
}

/// One version of a resource that bots look at.
struct Version {
    version: VersionId,
    interaction: Interaction,
    by_person: bool,
    resource: Option<Value>,
}

/// All that the judgement is made of.
struct Record {
    /// Versions by resource, oldest first.
    watched: BTreeMap<Reference, Vec<Version>>,
    /// What bots made, by the name that says what it came of: the places in the server's order of commits.
    made: BTreeMap<String, Vec<u64>>,
    runs: BTreeMap<RunId, RunRow>,
    /// Requests that are dead letters.
    given_up: BTreeSet<OutboxKey>,
    breaches: Vec<Breach>,
}

/// Whether a bot ever made what bears this name.
pub(super) fn is_there(server: &Server, name: &str) -> bool {
    server.versions().any(|kept| kept.interaction == Interaction::Create && of(&kept) == Some(name))
}

fn of<'a>(kept: &Kept<'a>) -> Option<&'a str> {
    let identifier = &kept.resource?["identifier"][0];
    if identifier["system"] == "urn:sim:of" { identifier["value"].as_str() } else { None }
}

/// Judges a world that has come to rest.
pub(super) async fn judge(world: &World) -> Vec<Breach> {
    let ledger = ModelLedger::open(std::sync::Arc::clone(&world.store));
    let filter = RunFilter { limit: usize::MAX, ..RunFilter::default() };
    let rows = ledger.runs(&world.tenant, &filter).await.unwrap_or_default();
    let runs = rows.into_iter().map(|row| (row.run, row)).collect();
    let dead = ledger.dead_requests(&world.tenant, &DeadFilter::default(), None, usize::MAX).await.unwrap_or_default();
    let given_up = dead.into_iter().map(|request| request.key).collect();
    let state = world.state();
    let (watched, made, breaches) = (BTreeMap::new(), BTreeMap::new(), state.breaches.clone());
    let mut record = Record { watched, made, runs, given_up, breaches };
    record.read(&state);
    record.once();
    record.kept(&state, &world.store);
    for (reference, versions) in &std::mem::take(&mut record.watched) {
        match reference.resource_type.as_str() {
            "Task" => record.each(world, "scorer", reference, versions, "", |_| true),
            "Encounter" => {
                record.each(world, "reminder", reference, versions, "set/", |v| v.interaction != Interaction::Delete);
                record.timers(world, reference, versions);
            }
            "Appointment" => {
                record.each(world, "notifier", reference, versions, "sent/", |v| v.interaction != Interaction::Delete);
                record.messages(world, &state, reference, versions);
                record.asks(world, &state, reference, versions);
            }
            _ => record.routed(world, reference, versions),
        }
    }
    record.breaches
}

impl Record {
    fn read(&mut self, state: &State) {
        for kept in state.server.versions() {
            if matches!(kept.resource_type, "Task" | "ServiceRequest" | "Encounter" | "Appointment") {
                let Ok(reference) = format!("{}/{}", kept.resource_type, kept.id).parse::<Reference>() else { continue };
                let Ok(version) = VersionId::new(kept.version) else { continue };
                let by_person = state.by_people.contains(&(reference.clone(), version.clone()));
                let version = Version { version, interaction: kept.interaction, by_person, resource: kept.resource.cloned() };
                self.watched.entry(reference).or_default().push(version);
            } else if let Some(name) = of(&kept).filter(|_| kept.interaction == Interaction::Create) {
                self.made.entry(name.to_owned()).or_default().push(kept.sequence);
            }
            self.left_alone(state, &kept);
        }
    }

    /// What a bot made is never written again by a host: later versions are people's.
    fn left_alone(&mut self, state: &State, kept: &Kept<'_>) {
        let output = matches!(kept.resource_type, "Observation" | "Communication");
        if !output || kept.interaction == Interaction::Create {
            return;
        }
        let Ok(reference) = format!("{}/{}", kept.resource_type, kept.id).parse::<Reference>() else { return };
        let Ok(version) = VersionId::new(kept.version) else { return };
        if !state.by_people.contains(&(reference.clone(), version)) {
            self.breaches.push(Breach::new("overwritten", &reference, format!("{reference} was written again by a host")));
        }
    }

    /// Whatever a bot makes, it makes once.
    fn once(&mut self) {
        for (name, places) in &self.made {
            if places.len() > 1 {
                self.breaches.push(Breach::new("doubled", name, format!("{name} was made {} times", places.len())));
            }
        }
    }

    /// What a host answered 2xx is in the ledger, whether or not a sweep would find it again.
    fn kept(&mut self, state: &State, store: &ModelStore) {
        let mut kept: BTreeMap<(String, String, Bytes), usize> = BTreeMap::new();
        for notification in store.notifications() {
            *kept.entry((notification.method, notification.path, notification.body)).or_default() += 1;
        }
        for taken in &state.taken {
            let path = taken.uri().path();
            // Where the resource's own path follows the webhook's, or where nothing does.
            let ends = [path.rsplitn(3, '/').last().map_or(path, |webhook| &path[webhook.len()..]), ""];
            let places = ends.map(|end| (taken.method().to_string(), end.to_owned(), taken.body().clone()));
            match places.iter().find(|place| kept.get(place).is_some_and(|left| *left > 0)).and_then(|place| kept.get_mut(place))
            {
                Some(left) => *left -= 1,
                None => self.breaches.push(Breach::new("forgotten", &path, "it was answered 2xx and is not in the ledger")),
            }
        }
    }

    fn places(&self, name: &str) -> &[u64] {
        self.made.get(name).map_or(&[], Vec::as_slice)
    }

    /// How often the effects of a run must be on the server; `None` where the breach has been noted.
    fn wanted(&mut self, world: &World, run: RunId, reference: &Reference, name: &str) -> Option<usize> {
        let row = self.runs.get(&run);
        let code = row.and_then(|row| row.failure.as_ref()).map_or("", |failure| failure.code.as_str());
        let why = match row.map(|row| (row.state, row.attempts)) {
            Some((RunState::Done, _)) => return Some(1),
            // Refused by the server for good, or stopped at a question of which nobody knows whether it was asked: nothing of it may be there.
            Some((RunState::Dead, _)) if code == "refused" || (code == REQUEST_UNKNOWN && !world.resends()) => return Some(0),
            // A conflict on a resource that is gone, or no longer what the bot wants.
            Some((RunState::Superseded, 1..)) => return Some(0),
            Some((state, _)) => format!("its run is {state} ({code})"),
            None => "no run was made of it".to_owned(),
        };
        self.breaches.push(Breach::of("lost", reference, name, why));
        None
    }

    /// Each version that the bot wants has its effect, once, and in the order of versions.
    fn each(
        &mut self,
        world: &World,
        bot: &str,
        reference: &Reference,
        versions: &[Version],
        prefix: &str,
        wants: impl Fn(&Version) -> bool,
    ) {
        let mut last = 0;
        for version in versions.iter().filter(|version| wants(version)) {
            let name = format!("{prefix}{}", bots::change(reference, &version.version));
            let Some(wanted) = self.wanted(world, run(world, bot, reference, version), reference, &name) else { continue };
            let places = self.places(&name).to_vec();
            if places.len() < wanted {
                self.breaches.push(Breach::of("lost", reference, &name, "its run is done and nothing is there"));
            } else if places.len() > wanted && wanted == 0 {
                self.breaches.push(Breach::of("doubled", reference, &name, "its run did not commit and something is there"));
            }
            let Some(place) = places.first() else { continue };
            if *place < last {
                self.breaches.push(Breach::of("inversion", reference, &name, "it was committed after a later version"));
            }
            last = last.max(*place);
        }
    }

    /// A timer fires once, if its run committed, after that, and surely where nothing moved it or took it back.
    fn timers(&mut self, world: &World, reference: &Reference, versions: &[Version]) {
        let unfired = self.runs.values().any(|row| row.trigger == "timer" && row.state == RunState::Dead);
        let runs: Vec<(RunId, bool, String)> = versions
            .iter()
            .filter(|version| version.interaction != Interaction::Delete)
            .map(|version| {
                let planned = version.resource.as_ref().is_some_and(|resource| resource["status"] == "planned");
                (run(world, "reminder", reference, version), planned, bots::change(reference, &version.version))
            })
            .collect();
        let done = |record: &Self, run: &RunId| record.runs.get(run).is_some_and(|row| row.state == RunState::Done);
        let last = runs.iter().rev().find(|(run, _, _)| done(self, run)).cloned();
        for (run, planned, name) in &runs {
            let fired = self.places(&format!("timer/{run}")).first().copied();
            let set = self.places(&format!("set/{name}")).first().copied();
            match (fired, set) {
                (Some(_), None) => {
                    self.breaches.push(Breach::of(
                        "timer",
                        reference,
                        name,
                        "it fired though the run that set it did not commit",
                    ));
                }
                (Some(fired), Some(set)) if fired < set => {
                    self.breaches.push(Breach::of("timer", reference, name, "it fired before the commit of the run that set it"));
                }
                _ => {}
            }
            let is_last = last.as_ref().is_some_and(|(last, _, _)| last == run);
            if *planned && is_last && fired.is_none() && !unfired {
                self.breaches.push(Breach::of("timer", reference, name, "it never fired"));
            }
        }
    }

    /// A message goes out under one key, if its run committed, after that; its answer, or word that it was given up, comes back once.
    fn messages(&mut self, world: &World, state: &State, reference: &Reference, versions: &[Version]) {
        for version in versions.iter().filter(|version| version.interaction != Interaction::Delete) {
            let name = bots::change(reference, &version.version);
            let run = run(world, "notifier", reference, version);
            let received: Vec<_> = state.received.iter().filter(|received| received.body == name).collect();
            let keys: BTreeSet<&str> = received.iter().map(|received| received.key.as_str()).collect();
            let done = self.runs.get(&run).is_some_and(|row| row.state == RunState::Done);
            let key = OutboxKey { tenant: world.tenant.clone(), run, key: "sms".to_owned() };
            let given_up = self.given_up.contains(&key);
            // One whose outcome is unknown may never have left; where it is given up for that, it never leaves twice.
            let right = match (done, given_up) {
                (false, _) => keys.is_empty(),
                (true, true) => !world.resends() && received.len() <= 1,
                (true, false) => keys.len() == 1 && (world.resends() || received.len() == 1),
            };
            if !right {
                let (times, keys) = (received.len(), keys.len());
                let what =
                    format!("its message came {times} times under {keys} keys; its run is done: {done}; given up: {given_up}");
                self.breaches.push(Breach::of("message", reference, &name, what));
            }
            if received.iter().any(|received| !received.committed) {
                self.breaches.push(Breach::of("message", reference, &name, "it was sent before its run had committed"));
            }
            let answer = key.event_id(0);
            let Ok(bot) = "notifier".parse::<BotName>() else { continue };
            if done && let Some(wanted) = self.wanted(world, RunId::new(&world.tenant, &bot, answer), reference, &name) {
                let noted = self.places(&format!("reply/{run}")).len();
                if noted != wanted {
                    self.breaches.push(Breach::of("message", reference, &name, format!("its answer was noted {noted} times")));
                }
            }
        }
    }

    /// What a run asks it asks once, however often it is tried: under one key, and more than once only where the manifest has it asked again.
    fn asks(&mut self, world: &World, state: &State, reference: &Reference, versions: &[Version]) {
        for version in versions.iter().filter(|version| version.interaction != Interaction::Delete) {
            let name = bots::change(reference, &version.version);
            let run = run(world, "notifier", reference, version);
            let keys: Vec<&str> = state.asked.iter().filter(|(_, body)| *body == name).map(|(key, _)| key.as_str()).collect();
            let done = self.runs.get(&run).is_some_and(|row| row.state == RunState::Done);
            let one_key = keys.iter().collect::<BTreeSet<_>>().len() <= 1;
            if !one_key || (!world.resends() && keys.len() > 1) || (done && keys.is_empty()) {
                let what = format!("it was asked {} times, under one key: {one_key}; its run is done: {done}", keys.len());
                self.breaches.push(Breach::of("ask", reference, &name, what));
            }
        }
    }

    /// The host's versions change the mark and nothing else, and what a person wrote last is marked.
    fn routed(&mut self, world: &World, reference: &Reference, versions: &[Version]) {
        for (before, version) in versions.iter().zip(versions.iter().skip(1)).filter(|(_, version)| !version.by_person) {
            let content = |version: &Version| {
                let mut content = version.resource.clone()?;
                let members = content.as_object_mut()?;
                members.remove("note");
                members.remove("meta");
                Some(content)
            };
            if before.resource.is_none() || content(before) != content(version) {
                let name = bots::change(reference, &version.version);
                self.breaches.push(Breach::of("overwritten", reference, &name, "the host undid what a person wrote"));
            }
        }
        let mut refused = false;
        for version in versions.iter().filter(|version| version.by_person) {
            let active = version.resource.as_ref().is_some_and(|resource| resource["status"] == "active");
            if active {
                let name = bots::change(reference, &version.version);
                refused = self.wanted(world, run(world, "router", reference, version), reference, &name) != Some(1);
            }
        }
        let Some(resource) = versions.last().and_then(|version| version.resource.as_ref()) else { return };
        if resource["status"] == "active" && !refused && resource["note"][0]["text"] != resource["identifier"][0]["value"] {
            let name = versions.last().map(|version| bots::change(reference, &version.version)).unwrap_or_default();
            self.breaches.push(Breach::of("lost", reference, &name, "it was never routed"));
        }
    }
}

fn run(world: &World, bot: &str, reference: &Reference, version: &Version) -> RunId {
    let resource = ResourceKey { tenant: world.tenant.clone(), source: world.source.clone(), resource: reference.clone() };
    let change = ChangeKey { resource, version: version.version.clone() };
    let bot = bot.parse::<BotName>().unwrap_or_else(|_| unreachable!("a bot's name"));
    RunId::new(&world.tenant, &bot, change.event_id())
}
