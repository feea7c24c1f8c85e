//! The switch from the old host to Hob and back, so that never both act on a change.
//!
//! Off: the old host first, then Hob. Each Subscription gets status `off`, and each Bot loses its cron, at the version that was imported: whoever changed it since
//! is not overruled, and a trigger that the import has not seen is not forgotten. Only when all of a bot's triggers are off is the bot to be deployed; what changed in between
//! is run by a backfill from the instant at which the first went off. Back: Hob first, then the old host.
//!
//! A step is written down before its request. Where the request was cut off, the resource is read: as it was, the step is made again; as it should be, it is done;
//! anything else was somebody else, and the command stops there.

use hob_host::moving::{At, MovingError, Remote};
use hob_model::BotName;
use serde_json::{Value, json};

use super::read::{failed, is_url, remote};
use super::state::{self, Now, State, Switch};
use super::{Args, tell};
use crate::api::{self, Bots};
use crate::args::Global;
use crate::error::CliError;
use crate::exit_code;
use crate::output::Output;
use reqwest::Method;

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Off,
    On,
}

pub(super) async fn run(args: &Args, global: &Global, out: &Output) -> Result<(), CliError> {
    let url =
        args.resources.as_deref().filter(|from| is_url(from)).ok_or_else(|| {
            CliError::usage("`--cutover` needs the server", "give its FHIR base URL with --resources, and --auth")
        })?;
    let way = if args.undo { Way::On } else { Way::Off };
    let mut state = state::load(&args.out)?;
    let chosen = chosen(&state, &args.bots)?;
    if way == Way::On && !args.hob_is_off {
        out_of_service(&chosen, global, out).await?;
    }
    if way == Way::Off && !args.with_unmoved {
        all_moved(&chosen, &state)?;
    }
    let remote = remote(url, &args.auth)?;
    for bot in &chosen {
        for at in 0..state.bots.get(bot).map_or(0, |moved| moved.switches.len()) {
            let place = Place { args, bot, at, url };
            place.turn(&remote, way, &mut state).await?;
        }
    }
    tell::all(&chosen, &state, &args.out, out)
}

fn chosen(state: &State, named: &[BotName]) -> Result<Vec<BotName>, CliError> {
    if let Some(unknown) = named.iter().find(|name| !state.bots.contains_key(*name)) {
        let help = "import it first; bots are called as their folders are";
        return Err(CliError::new(exit_code::NOT_FOUND, "import-unknown", format!("{unknown} was not imported"), help));
    }
    Ok(if named.is_empty() { state.bots.keys().cloned().collect() } else { named.to_vec() })
}

/// Refuses a bot that would lose a trigger, or be run by both hosts where only some of its triggers went off.
fn all_moved(bots: &[BotName], state: &State) -> Result<(), CliError> {
    let left =
        bots.iter().find_map(|bot| state.bots.get(bot).filter(|moved| !moved.unmoved.is_empty()).map(|moved| (bot, moved)));
    let Some((bot, moved)) = left else { return Ok(()) };
    let message = format!("{bot} has triggers that were not moved: {}", moved.unmoved.join(", "));
    let help = "write triggers for them into its bot.toml and say --with-unmoved, which turns them off too; or leave the bot where it is";
    Err(CliError::new(exit_code::FAILURE, "import-unmoved", message, help))
}

/// Refuses to turn the old host on while Hob runs one of the bots.
async fn out_of_service(bots: &[BotName], global: &Global, out: &Output) -> Result<(), CliError> {
    let answer = match global.client(out) {
        Ok(client) => client.call(Method::GET, "bots").json().await,
        Err(error) => Err(error),
    };
    let answer = answer.map_err(|error| CliError {
        help: format!("{}; or say --hob-is-off, where no Hob host runs the bots", error.help),
        ..error
    })?;
    let running = api::read::<Bots>(&answer)?.bots;
    match running.iter().find(|running| bots.contains(&running.name)) {
        None => Ok(()),
        Some(running) => {
            let message = format!("{} is in service at Hob: both hosts would act", running.name);
            let help = format!("`hob bots remove {}`, then again", running.name);
            Err(CliError::new(exit_code::FAILURE, "import-in-service", message, help))
        }
    }
}

/// One switch of one bot.
struct Place<'a> {
    args: &'a Args,
    bot: &'a BotName,
    at: usize,
    url: &'a str,
}

impl Place<'_> {
    fn switch<'s>(&self, state: &'s mut State) -> Option<&'s mut Switch> {
        state.bots.get_mut(self.bot)?.switches.get_mut(self.at)
    }

    fn keep(&self, state: &mut State, now: Now) -> Result<(), CliError> {
        if let Some(switch) = self.switch(state) {
            switch.now = now;
        }
        state::save(&self.args.out, state)
    }

    /// Brings a switch to where it should be, whatever was done before.
    async fn turn(&self, remote: &Remote, way: Way, state: &mut State) -> Result<(), CliError> {
        let Some(switch) = self.switch(state).cloned() else { return Ok(()) };
        let done = match way {
            Way::Off => matches!(switch.now, Now::Off { .. }),
            Way::On => switch.now == Now::On,
        };
        if done {
            return Ok(());
        }
        let found = remote.read(&switch.reference).await.map_err(|error| failed(&error, self.url))?;
        let is = position(&found.resource, &switch);
        // What was under way when a command died: it was done, or it was not.
        let from = match (&switch.now, is) {
            (Now::TurningOff(from) | Now::TurningOn(from), _) if found.version == *from => from.clone(),
            (Now::TurningOff(_), Some(Way::Off)) => {
                self.keep(state, Now::Off { version: found.version.clone(), since: found.since })?;
                return Box::pin(self.turn(remote, way, state)).await;
            }
            (Now::TurningOn(_), Some(Way::On)) => {
                self.on(state, &found)?;
                return Box::pin(self.turn(remote, way, state)).await;
            }
            (Now::On, _) if switch.version.as_ref().is_none_or(|version| *version == found.version) => found.version.clone(),
            (Now::Off { version, .. }, _) if *version == found.version => version.clone(),
            _ => return Err(self.changed(&switch)),
        };
        self.keep(state, if way == Way::Off { Now::TurningOff(from.clone()) } else { Now::TurningOn(from.clone()) })?;
        let wanted = turned(found.resource, &switch, way);
        remote.update(&wanted, &from).await.map_err(|error| match error {
            MovingError::Moved => self.changed(&switch),
            error => failed(&error, self.url),
        })?;
        let made = remote.read(&switch.reference).await.map_err(|error| failed(&error, self.url))?;
        match (way, position(&made.resource, &switch)) {
            (Way::Off, Some(Way::Off)) => self.keep(state, Now::Off { version: made.version, since: made.since }),
            (Way::On, Some(Way::On)) => self.on(state, &made),
            _ => Err(self.changed(&switch)),
        }
    }

    /// On again: the next cutover begins at this version.
    fn on(&self, state: &mut State, found: &At) -> Result<(), CliError> {
        if let Some(switch) = self.switch(state) {
            switch.version = Some(found.version.clone());
        }
        self.keep(state, Now::On)
    }

    fn changed(&self, switch: &Switch) -> CliError {
        let message = format!("{} of {} was changed by somebody else since", switch.reference, self.bot);
        let help = "look at it there; then import anew into another folder, and cut over from that";
        CliError::new(exit_code::FAILURE, "import-changed", message, help).at(self.url)
    }
}

/// Whether a resource is on or off; none where it is neither.
fn position(resource: &Value, switch: &Switch) -> Option<Way> {
    if switch.fields.iter().all(|(key, value)| resource.get(key) == Some(value)) {
        // A server may make `requested` active.
        return Some(Way::On);
    }
    let off =
        switch.fields.keys().all(|key| if key == "status" { resource["status"] == "off" } else { resource.get(key).is_none() });
    let active = switch.fields.get("status").is_some_and(|status| status == "requested") && resource["status"] == "active";
    if off { Some(Way::Off) } else { active.then_some(Way::On) }
}

/// The resource, on or off. All else stays as it was read.
fn turned(mut resource: Value, switch: &Switch, way: Way) -> Value {
    let Some(members) = resource.as_object_mut() else { return resource };
    for (key, value) in &switch.fields {
        match way {
            Way::On => drop(members.insert(key.clone(), value.clone())),
            Way::Off if key == "status" => drop(members.insert(key.clone(), json!("off"))),
            Way::Off => drop(members.remove(key)),
        }
    }
    resource
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switch(fields: Value) -> Switch {
        serde_json::from_value(json!({ "reference": "Subscription/s", "version": "1", "fields": fields })).unwrap()
    }

    #[test]
    fn off_and_on_are_each_others_opposite() {
        for (fields, resource) in [
            (
                json!({ "status": "active" }),
                json!({ "resourceType": "Subscription", "id": "s", "status": "active", "reason": "r" }),
            ),
            (
                json!({ "cronString": "0 9 * * *" }),
                json!({ "resourceType": "Bot", "id": "b", "cronString": "0 9 * * *", "name": "n" }),
            ),
        ] {
            let switch = switch(fields);
            let off = turned(resource.clone(), &switch, Way::Off);
            assert_eq!((position(&resource, &switch), position(&off, &switch)), (Some(Way::On), Some(Way::Off)));
            assert_eq!(turned(off, &switch, Way::On), resource);
        }
        assert_eq!(position(&json!({ "status": "error" }), &switch(json!({ "status": "active" }))), None);
    }
}
