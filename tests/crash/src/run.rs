//! One run: set up, kill and start again under load, let it come to rest, judge.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hob_host::SystemClock;
use hob_model::{Clock as _, Timestamp};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::child::Child;
use crate::front::{Death, Front};
use crate::kill::{Kill, Plan, Strike};
use crate::receiver::Receiver;
use crate::site::{Site, is_quiet};
use crate::story::{Outcome, Story};
use crate::verdict::judge;
use crate::writer::{self, Load, Progress};

/// What is asked for.
pub(crate) struct Wish {
    pub(crate) kills: u32,
    pub(crate) changes: u64,
    pub(crate) load: Load,
    pub(crate) seed: u64,
    /// The base of a server elsewhere; the one in memory where none.
    pub(crate) elsewhere: Option<String>,
    /// Notifications may be lost, and deletes follow at once: Hob has to find out.
    pub(crate) gaps: bool,
}

/// How long a host gets to come to its point before it is killed where it is.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long a host gets to be ready.
const START: Duration = Duration::from_secs(120);
/// How long the last host gets to come to rest with nothing more done.
const REST: Duration = Duration::from_secs(120);

struct Run<'a> {
    site: Site,
    front: Arc<Front>,
    deaths: mpsc::Receiver<Death>,
    progress: Arc<Progress>,
    story: Story,
    started: Timestamp,
    say: &'a dyn Fn(String),
}

/// Runs in `folder`; `say` gets the progress.
pub(crate) async fn run(wish: &Wish, folder: &Path, say: &dyn Fn(String)) -> Result<Outcome, String> {
    let started = SystemClock.now();
    let (asks, deaths) = mpsc::channel(1);
    let front = Front::start(wish.elsewhere.as_deref(), wish.gaps, asks).await?;
    let (receiver, address) = Receiver::start().await?;
    let (site, story) = (Site::new(folder)?, Story::new(folder)?);
    let progress = Arc::new(Progress::default());
    let mut run = Run { site, front, deaths, progress, story, started, say };

    let mut child = Child::start(&run.site, None)?;
    run.ready(&mut child).await?;
    let deletes = wish.elsewhere.is_none() || wish.gaps;
    run.site.set_up(run.front.base(), address, deletes).await?;
    let mut writers = writer::start(&run.front, wish.seed, wish.changes, wish.load, deletes, &run.progress);
    child.kill().await?;
    // The first start had everything to make.
    run.story.restarts.clear();

    let mut plan = Plan::new(wish.seed);
    for number in 1..=wish.kills {
        let kill = plan.next();
        if let Some(missed) = run.one(kill).await? {
            plan.missed(missed);
        }
        ended_early(&mut writers).await?;
        if number % 10 == 0 {
            let changes = run.progress.changes.load(Ordering::SeqCst);
            run.say(&format!("{number} of {} kills, {changes} changes, {} wait", wish.kills, run.front.waiting()));
        }
    }

    let mut child = Child::start(&run.site, None)?;
    run.ready(&mut child).await?;
    run.progress.may_end.store(true, Ordering::SeqCst);
    while let Some(ended) = writers.join_next().await {
        ended.map_err(|e| e.to_string())??;
    }
    run.say("the writers are done; the host comes to rest");
    run.site.stop_ticking().await?;
    run.rest().await?;
    let dead = run.site.get("tenants/crash/dead?limit=1000").await?;
    let count = |list: &str| dead[list].as_array().map_or(0, Vec::len);
    let verdict = judge(run.front.base(), &receiver).await?;
    child.kill().await?;

    for (what, items) in [("lost", &verdict.lost), ("doubled", &verdict.doubled), ("inverted", &verdict.inverted)] {
        for item in items {
            run.story.tell(&format!("{what}: {item}"))?;
        }
    }
    Ok(Outcome {
        seed: wish.seed,
        changes: run.progress.changes.load(Ordering::SeqCst),
        dropped: run.front.dropped(),
        repeats: receiver.repeats(),
        dead: count("runs") + count("notifications"),
        took: SystemClock.now().since(run.started),
        kills: run.story.kills,
        restarts: run.story.restarts,
        verdict,
    })
}

/// A writer that ended before it was told to has failed.
async fn ended_early(writers: &mut JoinSet<Result<(), String>>) -> Result<(), String> {
    match writers.try_join_next() {
        Some(ended) => ended.map_err(|e| e.to_string())?,
        None => Ok(()),
    }
}

impl Run<'_> {
    fn say(&self, line: &str) {
        (self.say)(format!("{:>5} s  {line}", SystemClock.now().since(self.started).as_secs()));
    }

    /// Waits until a host is ready; how long that took is kept.
    async fn ready(&mut self, child: &mut Child) -> Result<(), String> {
        let begun = SystemClock.now();
        match timeout(START, child.ready()).await {
            Ok(true) => {
                self.story.restarts.push(SystemClock.now().since(begun));
                Ok(())
            }
            Ok(false) => Err(child.died().await.err().unwrap_or_else(|| "the host was killed by somebody else".to_owned())),
            Err(_) => Err("the host did not start in time; see host.log".to_owned()),
        }
    }

    /// One life of a host. Gives the point that it was to die at and did not come to.
    async fn one(&mut self, kill: Kill) -> Result<Option<Strike>, String> {
        let strike = match kill {
            Kill::At(strike) => Some(strike),
            Kill::After(_) => None,
        };
        self.front.arm(strike);
        let begun = SystemClock.now();
        let mut child = Child::start(&self.site, strike.filter(|strike| !strike.is_servers()))?;
        let mut ready_after = None;
        let limit = match kill {
            Kill::At(_) => START + PATIENCE,
            Kill::After(moment) => moment,
        };
        let mut late = Box::pin(sleep(limit));
        let mut at_point = false;
        let mut asked: Option<Death> = None;
        loop {
            tokio::select! {
                lives = child.ready() => {
                    if !lives {
                        // By its own hand at the point; anything else is an error.
                        child.died().await?;
                        at_point = true;
                        break;
                    }
                    ready_after = Some(SystemClock.now().since(begun));
                    if strike.is_some() {
                        late = Box::pin(sleep(PATIENCE));
                    }
                }
                death = self.deaths.recv() => {
                    at_point = true;
                    asked = death;
                    break;
                }
                () = &mut late => break,
            }
        }
        child.kill().await?;
        self.front.arm(None);
        drop(asked);
        self.story.restarts.extend(ready_after);
        let place = match strike {
            Some(Strike { point, side, .. }) if at_point => format!("{side} {point}"),
            _ if ready_after.is_none() => "any moment of the start".to_owned(),
            _ => "any moment".to_owned(),
        };
        *self.story.kills.entry(place.clone()).or_default() += 1;
        let (at, changes) = (SystemClock.now().since(self.started).as_millis(), self.progress.changes.load(Ordering::SeqCst));
        let planned = strike.map_or_else(String::new, |strike| format!(" (planned: {strike})"));
        let ready = ready_after.map_or_else(|| "never ready".to_owned(), |span| format!("ready after {} ms", span.as_millis()));
        self.story.tell(&format!(
            "{at:>8} ms  killed {place}{planned}; {ready}; {changes} changes, {} wait, {} notifications under way",
            self.front.waiting(),
            self.front.undelivered()
        ))?;
        Ok(strike.filter(|_| !at_point))
    }

    /// Waits until nothing is left to do anywhere; as long as something gets done, it goes on waiting.
    async fn rest(&mut self) -> Result<(), String> {
        let mut quiet = 0;
        let (mut last, mut since) = (None, SystemClock.now());
        while quiet < 5 {
            sleep(Duration::from_millis(200)).await;
            let (status, waiting) = (self.site.get("status").await?, self.front.waiting());
            let now = Some((status["runs"].clone(), waiting));
            if now != last {
                (last, since) = (now, SystemClock.now());
            }
            if SystemClock.now().since(since) > REST {
                self.story.tell(&format!("it did not come to rest: {waiting} wait, {status}"))?;
                return Ok(());
            }
            let done = waiting == 0 && self.front.undelivered() == 0 && is_quiet(&status);
            quiet = if done { quiet + 1 } else { 0 };
        }
        Ok(())
    }
}
