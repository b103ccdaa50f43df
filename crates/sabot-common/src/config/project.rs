//! A project directory as a whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::declared::Declared;
use super::settings::SettingsSource;
use super::variables::Environment;
use super::{AgentConfig, ConfigError, StreamConfig, TableConfig};
use crate::name::Name;

/// A project: its settings and what it declares.
#[derive(Clone, Debug, Default)]
pub struct Project {
    /// The directory; paths in its files are relative to it.
    pub dir: PathBuf,
    /// Effective settings with their origins.
    pub settings: SettingsSource,
    /// The file they are read from, there or not; none without a directory or a file.
    pub settings_file: Option<PathBuf>,
    /// Declared streams.
    pub streams: Vec<StreamConfig>,
    /// Declared tables.
    pub tables: Vec<TableConfig>,
    /// Declared agents.
    pub agents: Vec<AgentConfig>,
    /// Where each of them is declared.
    pub files: DeclaredIn,
}

/// The files that things are declared in.
#[derive(Clone, Debug, Default)]
pub struct DeclaredIn {
    /// Streams and tables, those that agents fill included.
    pub relations: BTreeMap<Name, PathBuf>,
    /// Agents.
    pub agents: BTreeMap<Name, PathBuf>,
}

impl Project {
    /// Reads the project in `dir`, with the process's environment laid over its settings.
    pub fn load(dir: &Path) -> Result<Self, ConfigError> {
        Self::load_with(Some(dir), None)
    }

    /// An empty project: defaults with the process's environment laid over them.
    pub fn without_directory() -> Result<Self, ConfigError> {
        Self::load_with(None, None)
    }

    /// Reads a project. `config` is a file of the schema of `sabot.yaml` that stands in for `dir`'s; without `dir` it is
    /// all there is, and paths in it are relative to the working directory.
    pub fn load_with(dir: Option<&Path>, config: Option<&Path>) -> Result<Self, ConfigError> {
        Self::load_in(dir, config, &Environment::of_process())
    }

    /// As [`Self::load_with`], with these environment variables instead of the process's.
    pub fn load_from(
        dir: Option<&Path>,
        config: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        Self::load_in(dir, config, &environment.into_iter().collect())
    }

    fn load_in(dir: Option<&Path>, config: Option<&Path>, environment: &Environment) -> Result<Self, ConfigError> {
        if let Some(dir) = dir.filter(|dir| !dir.is_dir()) {
            return Err(ConfigError::of_file(dir, "is not a directory; `sabot up DIR` wants a project's directory"));
        }
        let file = config.map_or_else(|| dir.unwrap_or_else(|| Path::new(".")).join("sabot.yaml"), Path::to_owned);
        let is_there = config.is_some() || (dir.is_some() && file.exists());
        let text = if is_there { read(&file)? } else { String::new() };
        let mut declared = Declared::default();
        let settings = declared.settings_file(&file, &text, environment)?;
        if let Some(dir) = dir {
            declared.directory(dir, environment)?;
        }
        let settings_file = (config.is_some() || dir.is_some()).then_some(file);
        let dir = dir.unwrap_or_else(|| Path::new(".")).to_owned();
        Ok(Self { settings_file, ..declared.finish(dir, settings)? })
    }

    /// Whether a text would do as a file of `sabot.yaml`'s schema, in the process's environment.
    pub fn check_settings(file: &Path, text: &str) -> Result<(), ConfigError> {
        Declared::default().settings_file(file, text, &Environment::of_process()).map(drop)
    }
}

pub(super) fn read(file: &Path) -> Result<String, ConfigError> {
    let bytes = std::fs::read(file).map_err(|error| ConfigError::of_file(file, error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = valid.split(|byte| *byte == b'\n').count();
        let problem = format!("line {line} is not UTF-8, from byte {} of the file on; save it as UTF-8", valid.len());
        ConfigError::of_file(file, problem)
    })
}
