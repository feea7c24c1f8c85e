//! The engine: one for a host. Compiles components, holds the pool that their instances live in, and has their code at hand.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use hob_model::{Digest, Manifest};
use tokio::sync::Semaphore;
use wasmtime::component::{Component, HasSelf, Linker};

use crate::bindings::{Bot, BotPre};
use crate::cache::{Cache, Miss};
use crate::functions::Functions;
use crate::loaded::Loaded;
use crate::pool::{self, Busy};
use crate::release::Bound;
use crate::scopes::Scopes;
use crate::state::State;
use crate::{CodeFor, EngineConfig, EngineError, Release, compile, precompiled};

/// The WASI interfaces that a bot may import, all of 0.2. Files and sockets are there, since languages' libraries import them, and
/// are empty and shut.
const WASI: [&str; 6] = ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/"];

/// Compiles and runs components. Clones share everything; the last one that is dropped ends the ticker.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

/// What clones of an engine share; its releases run on it.
pub(crate) struct Shared {
    pub(crate) config: EngineConfig,
    pub(crate) wasmtime: wasmtime::Engine,
    linker: Linker<State>,
    cache: Option<Cache>,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) busy: Arc<Busy>,
    compiling: Mutex<()>,
    loaded: Loaded<BotPre<State>>,
}

/// Where a component is found again, should its compiled code be gone.
#[async_trait]
pub trait Components: Send + Sync {
    /// Its bytes.
    ///
    /// # Errors
    /// Why there are none, for the host's log.
    async fn component(&self) -> Result<Bytes, String>;
}

/// It stays in memory.
#[async_trait]
impl Components for Bytes {
    async fn component(&self) -> Result<Bytes, String> {
        Ok(self.clone())
    }
}

/// The code of a release.
pub(crate) enum Code {
    /// In memory for good: there is no cache.
    Held(Arc<BotPre<State>>),
    /// In the cache.
    Cached(Digest, Arc<dyn Components>),
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.busy.close();
    }
}

impl Engine {
    /// Sets up the sandbox.
    ///
    /// # Errors
    /// [`EngineError::Start`] where the machine cannot give the pool its address space; [`EngineError::Cache`].
    pub fn new(config: EngineConfig) -> Result<Self, EngineError> {
        let start = |error: wasmtime::Error| EngineError::Start(format!("{error:#}"));
        let mut settings = pool::config(&config);
        if config.code == CodeFor::Author {
            settings.enable_incremental_compilation(Arc::new(Functions::default())).map_err(start)?;
        }
        let wasmtime = wasmtime::Engine::new(&settings).map_err(start)?;
        let mut linker = Linker::new(&wasmtime);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(start)?;
        Bot::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut State| state).map_err(start)?;
        let cache = config.cache_dir.as_deref().map(Cache::open).transpose()?;
        let busy = Arc::new(Busy::default());
        pool::start_ticker(&wasmtime, &busy, config.tick_ms)?;
        let slots = usize::try_from(config.concurrent_runs.max(1)).unwrap_or(1).min(Semaphore::MAX_PERMITS);
        let slots = Arc::new(Semaphore::new(slots));
        let loaded = Loaded::new(config.loaded_mib << 20);
        Ok(Self(Arc::new(Shared { config, wasmtime, linker, cache, slots, busy, compiling: Mutex::new(()), loaded })))
    }

    /// Checks and compiles a release, whose component stays in memory. Blocks for as long as the compiler needs (seconds for large components):
    /// call it where blocking is allowed.
    ///
    /// # Errors
    /// [`EngineError`]: what the component lacks or wants too much of, by name.
    pub fn prepare(&self, component: &[u8], manifest: &Manifest) -> Result<Arc<Release>, EngineError> {
        self.prepare_from(component, manifest, Arc::new(Bytes::copy_from_slice(component)))
    }

    /// The same for a component that can be had again from `again`. What is in the cache was checked by this version of the engine, and is
    /// loaded when it runs.
    ///
    /// # Errors
    /// As [`Engine::prepare`].
    pub fn prepare_from(
        &self,
        component: &[u8],
        manifest: &Manifest,
        again: Arc<dyn Components>,
    ) -> Result<Arc<Release>, EngineError> {
        if let Some((key, wanted, most)) = manifest.limits.beyond(&self.0.config.most) {
            return Err(EngineError::Limit { key, wanted, most });
        }
        let scopes = Scopes::compile(manifest)?;
        let name = self.cache_name(component);
        let code = match &self.0.cache {
            Some(cache) if cache.has(&name) => Code::Cached(name, again),
            _ => self.build(component, name, again)?.0,
        };
        let bound = Arc::new(Bound { manifest: manifest.clone(), scopes: Arc::new(scopes) });
        Ok(Arc::new(Release { bound, code, engine: self.clone() }))
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0
    }

    /// The code of a release, in memory. Loads it, off the caller's thread, where it is not; builds it anew where the cache has lost it.
    ///
    /// # Errors
    /// As [`Engine::prepare`], where it has to be built and cannot be.
    pub(crate) async fn code(&self, code: &Code) -> Result<Arc<BotPre<State>>, EngineError> {
        let (name, again) = match code {
            Code::Held(bot) => return Ok(Arc::clone(bot)),
            Code::Cached(name, again) => (*name, again),
        };
        if let Some(bot) = self.0.loaded.get(&name) {
            return Ok(bot);
        }
        let cut_off = |_| EngineError::Start("the loader was cut off".to_owned());
        let engine = self.clone();
        if let Some(bot) = tokio::task::spawn_blocking(move || engine.load(&name)).await.map_err(cut_off)? {
            return Ok(bot);
        }
        let component = again.component().await.map_err(EngineError::Compiler)?;
        let (engine, again) = (self.clone(), Arc::clone(again));
        let built = tokio::task::spawn_blocking(move || engine.build(&component, name, again)).await.map_err(cut_off)??;
        Ok(built.1)
    }

    fn load(&self, name: &Digest) -> Option<Arc<BotPre<State>>> {
        let (component, bytes) = self.cached(name)?;
        let bot = self.link(&component).ok()?;
        Some(self.0.loaded.put(*name, bot, bytes))
    }

    /// Compiles, checks, and puts into the cache what passed.
    fn build(
        &self,
        component: &[u8],
        name: Digest,
        again: Arc<dyn Components>,
    ) -> Result<(Code, Arc<BotPre<State>>), EngineError> {
        // One at a time: each may take as much memory as its limit allows. Whoever waited may find it built.
        let _place = self.0.compiling.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bot) = self.0.loaded.get(&name) {
            return Ok((Code::Cached(name, again), bot));
        }
        let compiled = self.compile(component)?;
        let bot = self.link(&compiled)?;
        let held = |bot| {
            let bot = Arc::new(bot);
            Ok((Code::Held(Arc::clone(&bot)), bot))
        };
        let Some(cache) = &self.0.cache else { return held(bot) };
        let stored = compiled.serialize().map_err(|error| format!("{error:#}"));
        let stored = stored.and_then(|code| cache.store(&name, &code).map(|()| code.len()).map_err(|error| error.to_string()));
        match stored {
            Ok(bytes) => Ok((Code::Cached(name, again), self.0.loaded.put(name, bot, bytes))),
            Err(error) => {
                tracing::warn!(%error, "the compiled component could not be cached; it is compiled again at the next start");
                held(bot)
            }
        }
    }

    /// What is left of linking when a bot runs is to make an instance.
    fn link(&self, component: &Component) -> Result<BotPre<State>, EngineError> {
        self.check_imports(component)?;
        // Imports were checked by name; what is left is an import whose type is another.
        let pre = self.0.linker.instantiate_pre(component).map_err(|error| EngineError::Import {
            import: format!("{error:#}"),
            hint: ": build against this version of the contract",
        })?;
        BotPre::new(pre).map_err(|error| EngineError::Export { export: "handle", why: format!("{error:#}") })
    }

    fn compile(&self, component: &[u8]) -> Result<Component, EngineError> {
        if wasmtime::Engine::detect_precompiled(component).is_some() {
            return Err(EngineError::Compile("it is precompiled; give the .wasm that the compiler made".to_owned()));
        }
        // The preamble of a core module has version 1 where a component has layer 1.
        if component.get(..8) == Some(b"\0asm\x01\0\0\0") {
            return Err(EngineError::CoreModule);
        }
        compile::check(component)?;
        self.0.config.compiler.compile(&self.0.wasmtime, component)
    }

    /// What the cache has, and its size.
    fn cached(&self, name: &Digest) -> Option<(Component, usize)> {
        let found = match self.0.cache.as_ref()?.load(name) {
            Ok(authentic) => {
                precompiled::load(&self.0.wasmtime, &authentic).ok().map(|component| (component, authentic.bytes().len()))
            }
            Err(Miss::Absent) => return None,
            Err(Miss::Refused) => None,
        };
        if found.is_none() {
            tracing::warn!(file = %name.hex(), "a cached component is not one that this host made: it is compiled again");
        }
        found
    }

    /// Names what the compiled code depends on: the component, the engine's version and its settings.
    fn cache_name(&self, component: &[u8]) -> Digest {
        let mut settings = DefaultHasher::new();
        self.0.wasmtime.precompile_compatibility_hash().hash(&mut settings);
        Digest::of_parts(&[b"component", env!("CARGO_PKG_VERSION").as_bytes(), &settings.finish().to_be_bytes(), component])
    }

    fn check_imports(&self, component: &Component) -> Result<(), EngineError> {
        for (name, _) in component.component_type().imports(&self.0.wasmtime) {
            let wasi = WASI.iter().any(|prefix| name.starts_with(prefix)) && name.contains("@0.2.");
            if wasi || (name.starts_with("hob:bot/") && name.contains("@0.1.")) {
                continue;
            }
            let hint = if name.starts_with("wasi:http/") {
                ": a bot sends requests by hob:bot/http, or after its commit by hob:bot/outbox"
            } else if name.starts_with("hob:bot/") {
                ": this host runs hob:bot@0.1"
            } else if name.starts_with("wasi:") {
                ": this host gives WASI 0.2 without HTTP; build for wasm32-wasip2"
            } else {
                ""
            };
            return Err(EngineError::Import { import: name.to_owned(), hint });
        }
        Ok(())
    }
}
