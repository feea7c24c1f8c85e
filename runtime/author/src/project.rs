//! A bot's folder: its manifest, its language, and where its component is.

use std::path::{Path, PathBuf};

use hob_model::Manifest;

use crate::AuthorError;
use crate::error::Fault;

/// What a bot is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// `Cargo.toml`.
    Rust,
    /// `package.json`: TypeScript or JavaScript, Medplum's too.
    Node,
    /// `pyproject.toml`.
    Python,
}

impl Language {
    /// Its name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Node => "TypeScript",
            Self::Python => "Python",
        }
    }

    /// The file by which it is known.
    #[must_use]
    pub const fn file(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::Node => "package.json",
            Self::Python => "pyproject.toml",
        }
    }
}

/// A bot's folder.
#[derive(Debug, Clone)]
pub struct Project {
    /// The folder, as it was named.
    pub dir: PathBuf,
    /// The checked `bot.toml`.
    pub manifest: Manifest,
}

/// Folders under a `target` in which cargo leaves a component, the best first.
const BUILT: [&str; 5] = [
    "target/bots/wasm32-wasip2/bot",
    "target/wasm32-wasip2/bot",
    "target/wasm32-wasip2/release",
    "target/bots/wasm32-wasip2/release",
    "target/wasm32-wasip2/debug",
];

impl Project {
    /// Reads the manifest of a folder.
    ///
    /// # Errors
    /// `manifest-missing`, `manifest`.
    pub fn open(dir: &Path) -> Result<Self, AuthorError> {
        let file = dir.join("bot.toml");
        if !file.is_file() {
            let help = "name the folder that holds bot.toml, or make one with `hob new NAME --lang rust`";
            return Err(AuthorError::new(Fault::File, "manifest-missing", "there is no bot.toml", help).at(dir.display()));
        }
        let text = std::fs::read_to_string(&file).map_err(|error| AuthorError::unreadable(&file, &error))?;
        let manifest = Manifest::parse(&text, &file.display().to_string())?;
        Ok(Self { dir: dir.to_owned(), manifest })
    }

    /// An error of the manifest's criteria, with the line where they stand.
    pub(crate) fn placed(&self, error: AuthorError) -> AuthorError {
        if error.code != "criteria" || error.at.is_some() {
            return error;
        }
        let file = self.dir.join("bot.toml");
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        // The message names them as the manifest has them, behind the word `change`.
        let named = error.message.split('"').nth(1).unwrap_or_default().to_owned();
        let line = text.lines().position(|line| line.trim_start().starts_with("change") && line.contains(&named));
        error.at(line.map_or_else(|| file.display().to_string(), |line| format!("{}:{}", file.display(), line + 1)))
    }

    /// What it is written in.
    ///
    /// # Errors
    /// `no-language` where none of the languages' files is there.
    pub fn language(&self) -> Result<Language, AuthorError> {
        [Language::Rust, Language::Node, Language::Python]
            .into_iter()
            .find(|language| self.dir.join(language.file()).is_file())
            .ok_or_else(|| {
                let message = "nothing says what the bot is written in: there is no Cargo.toml, package.json or pyproject.toml";
                let help = "name the bot's folder; `hob new NAME --lang rust|ts|python|medplum` makes one";
                AuthorError::new(Fault::File, "no-language", message, help).at(self.dir.display())
            })
    }

    /// The folder of its cases.
    #[must_use]
    pub fn cases(&self) -> PathBuf {
        self.dir.join("cases")
    }

    /// The component that is there: the one that was named, or the manifest's, or what cargo built here or in the workspace around.
    ///
    /// # Errors
    /// `component-missing`.
    pub fn component(&self, named: Option<&Path>) -> Result<PathBuf, AuthorError> {
        component(&self.dir, &self.manifest, named)
    }
}

/// See [`Project::component`].
///
/// # Errors
/// `component-missing`.
pub fn component(dir: &Path, manifest: &Manifest, named: Option<&Path>) -> Result<PathBuf, AuthorError> {
    if let Some(path) = named {
        return Ok(path.to_owned());
    }
    let beside = dir.join(&manifest.component);
    if beside.is_file() {
        return Ok(beside);
    }
    let file = Path::new(&manifest.component).file_name().unwrap_or_default();
    let absolute = dir.canonicalize().map_err(|error| AuthorError::unreadable(dir, &error))?;
    let places = absolute.ancestors().flat_map(|folder| BUILT.iter().map(move |built| folder.join(built).join(file)));
    let found: Option<PathBuf> = places.into_iter().find(|path| path.is_file());
    found.ok_or_else(|| {
        let help = "build it with `hob build` (`cargo xtask bots` for the shipped bots), or name it with --component FILE";
        let message = format!("there is no component `{}`", manifest.component);
        AuthorError::new(Fault::File, "component-missing", message, help).at(dir.display())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bot(dir: &Path) -> (PathBuf, Manifest) {
        let bot = dir.join("bots/some-bot");
        std::fs::create_dir_all(&bot).unwrap();
        let manifest =
            Manifest::parse("name = \"some-bot\"\nversion = \"1\"\ndescription = \"x\"\n[[on]]\ninvoke = true\n", "bot.toml");
        (bot, manifest.unwrap())
    }

    #[test]
    fn beside_the_manifest_goes_before_what_cargo_built_and_a_name_before_both() {
        let dir = tempfile::tempdir().unwrap();
        let (bot, manifest) = bot(dir.path());
        assert_eq!(component(&bot, &manifest, None).unwrap_err().code, "component-missing");
        let built = dir.path().join("target/wasm32-wasip2/release");
        std::fs::create_dir_all(&built).unwrap();
        std::fs::write(built.join("some_bot.wasm"), "x").unwrap();
        let found = component(&bot, &manifest, None).unwrap();
        assert_eq!(found.canonicalize().unwrap(), built.join("some_bot.wasm").canonicalize().unwrap());
        std::fs::write(bot.join("some_bot.wasm"), "x").unwrap();
        assert_eq!(component(&bot, &manifest, None).unwrap(), bot.join("some_bot.wasm"));
        assert_eq!(component(&bot, &manifest, Some(Path::new("y.wasm"))).unwrap(), Path::new("y.wasm"));
    }

    #[test]
    fn the_language_is_known_by_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let (bot, manifest) = bot(dir.path());
        let project = Project { dir: bot.clone(), manifest };
        assert_eq!(project.language().unwrap_err().code, "no-language");
        for (file, language) in
            [("pyproject.toml", Language::Python), ("package.json", Language::Node), ("Cargo.toml", Language::Rust)]
        {
            std::fs::write(bot.join(file), "").unwrap();
            assert_eq!(project.language().unwrap(), language);
        }
    }
}
