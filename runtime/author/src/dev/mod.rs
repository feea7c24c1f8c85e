//! `hob dev`: watch, build, run. A FHIR server in memory whose edits are events, and each run shown with what it changed.
//!
//! **Goal.** From a file that is saved to what the bot now does, in less time than it takes to look there: the last event runs again on the new code, on
//! the server as it was before it.
//!
//! **Trade-offs.** One thing after the other, in one loop: a build, a run and a request never meet. Nothing is kept: what is on the server ends with the command.

mod desk;
mod front;
mod input;
mod seeds;
mod session;
mod show;
mod watch;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use hob_model::{BaseUrl, Clock};
use hob_testserver::Settings;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::error::{Fault, words};
use crate::{AuthorError, Project};

pub use input::Command;
pub use show::{Called, Changed, Ran, Shown};

/// How a session is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// The bot's folder.
    pub dir: PathBuf,
    /// Where the FHIR server listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What is on the server at first; the folder's `dev/seeds`, or else what its first case is given, unless said.
    pub seeds: Option<PathBuf>,
    /// Whether the words of compilers may have colours.
    pub color: bool,
}

/// Things that wait to be done: more than a person makes in a moment.
const WAITING: usize = 256;

/// Works until there are no more commands.
///
/// # Errors
/// What keeps it from beginning: no manifest, an address in use, seeds that are none. What goes wrong later is shown.
pub async fn run(
    options: Options,
    clock: Arc<dyn Clock>,
    mut commands: mpsc::Receiver<Command>,
    show: &mut dyn FnMut(Shown),
) -> Result<(), AuthorError> {
    let project = Project::open(&options.dir)?;
    project.language()?;
    let taken = |error: std::io::Error| {
        AuthorError::new(Fault::Failed, "listen", words(&error), "name another address with --listen, such as 127.0.0.1:0")
            .at(options.listen)
    };
    let listener = TcpListener::bind(options.listen).await.map_err(taken)?;
    let address = listener.local_addr().map_err(taken)?;
    let base = BaseUrl::new(&format!("http://{address}/fhir"))
        .map_err(|why| AuthorError::new(Fault::Failed, "listen", why, "name another address with --listen"))?;
    let seeds = seeds::read(&project, options.seeds.as_deref())?;
    let desk = desk::Desk::new(Settings::standard(base.clone()), seeds, Arc::clone(&clock))?;
    let (inputs, mut waiting) = mpsc::channel(WAITING);
    let watch = watch::Watch::start(&options.dir, inputs.clone())?;
    let front = tokio::spawn(front::serve(listener, desk.clone(), inputs));
    show(Shown::Listens { base: base.clone(), resources: desk.count() });
    let mut session = session::Session::new(options, project, desk, base, clock)?;
    session.rebuild(None, show).await;
    loop {
        let due = session.next_timer();
        let input = tokio::select! {
            input = waiting.recv() => input,
            command = commands.recv() => match command {
                None => break,
                Some(command) => Some(input::Input::Command(command)),
            },
            () = due => Some(input::Input::Due),
        };
        let Some(input) = input else { break };
        session.take(input, &mut waiting, show).await;
    }
    front.abort();
    drop(watch);
    Ok(())
}
