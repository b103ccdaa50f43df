//! Changes to a project's settings: in those of a running server, and in the file they were read from.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};
use yaml_edit::{Document, Mapping};

use super::exporters::OtlpProtocol;
use super::project::{Project, read};
use super::settings::{Origin, Settings, SettingsSource, without_secrets};
use super::{ConfigError, yaml};

/// A dotted key and its new value; null takes the key out.
pub type Change = (&'static str, Value);

/// What takes an endpoint away.
const NONE: &str = "none";

/// Sabot's own telemetry, as it is to be from now on. What is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryChange {
    /// `service.name` of Sabot's own spans.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
    /// Share of traces recorded, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_rate: Option<f64>,
    /// A receiver of OTLP; `none` takes it away, as with the other endpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp_endpoint: Option<String>,
    /// What is spoken there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp_protocol: Option<OtlpProtocol>,
    /// A Jaeger, by any address of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jaeger_endpoint: Option<String>,
    /// A Zipkin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zipkin_endpoint: Option<String>,
    /// Whether spans are written to standard error, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console: Option<bool>,
}

impl TelemetryChange {
    /// The keys that change when telemetry is switched on like this, or off.
    pub fn changes(&self, enabled: bool) -> Vec<Change> {
        let endpoint = |endpoint: &Option<String>| {
            endpoint.as_ref().map(|endpoint| if endpoint == NONE { Value::Null } else { endpoint.as_str().into() })
        };
        let protocol = self.otlp_protocol.and_then(|protocol| serde_json::to_value(protocol).ok());
        let optional = [
            ("telemetry.service_name", self.service_name.clone().map(Value::from)),
            ("telemetry.sample_rate", self.sample_rate.map(number)),
            ("telemetry.tracing.otlp_endpoint", endpoint(&self.otlp_endpoint)),
            ("telemetry.tracing.otlp_protocol", protocol),
            ("telemetry.tracing.jaeger_endpoint", endpoint(&self.jaeger_endpoint)),
            ("telemetry.tracing.zipkin_endpoint", endpoint(&self.zipkin_endpoint)),
            ("telemetry.tracing.console", self.console.map(Value::from)),
        ];
        let given = optional.into_iter().filter_map(|(key, value)| Some((key, value?)));
        std::iter::once(("telemetry.enabled", Value::from(enabled))).chain(given).collect()
    }
}

/// What is not a number in JSON stays what it is, for those who check it.
fn number(value: f64) -> Value {
    Number::from_f64(value).map_or_else(|| value.to_string().into(), Value::Number)
}

/// Settings with some keys changed.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The settings.
    pub source: SettingsSource,
    /// What stays as it was because the environment says so, for people.
    pub overridden: Vec<String>,
}

impl SettingsSource {
    /// The same with some keys changed as if their file had been, so that the environment still counts more.
    pub fn changed(&self, changes: &[Change]) -> Result<Changed, ConfigError> {
        let mut tree = serde_json::to_value(&self.settings).map_err(|error| whole(error.to_string()))?;
        let (mut origins, mut overridden) = (self.origins.clone(), Vec::new());
        for (key, value) in changes {
            let slot = tree.pointer_mut(&format!("/{}", key.replace('.', "/")));
            let slot = slot.ok_or_else(|| whole(format!("there is no setting {key}")))?;
            if let Some(Origin::Environment(variable)) = self.origins.get(*key) {
                if slot != value {
                    let shown = without_secrets(key, slot);
                    overridden.push(format!("{key} stays {shown}: the environment variable {variable} says so"));
                }
                continue;
            }
            if value.as_str().is_some_and(|text| text.contains("${")) {
                let problem = "give the value itself: ${…} stands for a variable in files alone";
                return Err(ConfigError::of_file(key, problem));
            }
            let before = std::mem::replace(slot, value.clone());
            if let Err(error) = serde_json::from_value::<Settings>(tree.clone()) {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                return Err(ConfigError::of_file(key, yaml::in_plain_words(&error.to_string(), Some(&text))));
            }
            if before != *value {
                origins.insert((*key).to_owned(), Origin::File);
            }
        }
        let settings = serde_json::from_value(tree).map_err(|error| whole(error.to_string()))?;
        Ok(Changed { source: Self { settings, origins }, overridden })
    }
}

fn whole(problem: String) -> ConfigError {
    ConfigError::of_file("settings", problem)
}

/// A file of settings as it is to be.
#[derive(Clone, Debug)]
pub struct SettingsFile {
    path: PathBuf,
    changes: Vec<Change>,
    /// What it was, and what it is to be.
    before: Option<String>,
    text: String,
}

impl SettingsFile {
    /// A file with some keys changed, which has to be valid as a whole. Everything else stays as it is: comments, order,
    /// spaces. One that is not there begins empty.
    pub fn edit(path: &Path, changes: &[Change]) -> Result<Self, ConfigError> {
        if path.is_symlink() && !path.exists() {
            return Err(ConfigError::of_file(path, "is a link to what is not there; mend the link, or remove it"));
        }
        let before = if path.exists() { Some(read(path)?) } else { None };
        let text = edit(path, before.as_deref().unwrap_or_default(), changes)?;
        Project::check_settings(path, &text)?;
        Ok(Self { path: path.to_owned(), changes: changes.to_vec(), before, text })
    }

    /// Writes it in the place of the one there was, whole or not at all. What somebody else has changed in it since is kept.
    pub fn save(&self) -> Result<(), ConfigError> {
        let now = Self::edit(&self.path, &self.changes)?;
        if now.before == self.before { self.write() } else { now.write() }
    }

    fn write(&self) -> Result<(), ConfigError> {
        let failed = |error: std::io::Error| ConfigError::of_file(&self.path, format!("cannot be written: {error}"));
        // A link stays one.
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        if self.before.as_ref() == Some(&self.text) {
            return Ok(());
        }
        let before = fs::metadata(&path).ok();
        // A name that nobody else has, in the same directory, and with no more rights than the file has.
        let mut name = OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(format!(".{:016x}", RandomState::new().hash_one(std::process::id())));
        let partial = path.with_file_name(name);
        let mode = before.as_ref().map_or(0o666, |before| before.mode() & 0o777);
        let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&partial).map_err(failed)?;
        let written = (|mut file: File| {
            if let Some(before) = before {
                if (before.uid(), before.gid()) != file.metadata().map(|own| (own.uid(), own.gid()))? {
                    fchown(&file, Some(before.uid()), Some(before.gid()))?;
                }
                file.set_permissions(before.permissions())?;
            }
            file.write_all(self.text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&partial, &path)
        })(file);
        written.map_err(|error| {
            drop(fs::remove_file(&partial));
            failed(error)
        })
    }
}

/// A file's text with some keys changed.
fn edit(file: &Path, text: &str, changes: &[Change]) -> Result<String, ConfigError> {
    let parse = |text: &str| -> Result<Value, String> {
        let value: Value = serde_saphyr::from_str(text).map_err(|error| error.without_snippet().to_string())?;
        Ok(if value.is_null() { Value::Object(Map::new()) } else { value })
    };
    let failed = |problem: String| {
        let keys: Vec<String> = changes.iter().map(|(key, value)| format!("{key}: {value}")).collect();
        let problem = format!(
            "cannot be changed by a program ({problem}); set {} yourself, or keep the change in another file with --config-file",
            keys.join(", ")
        );
        ConfigError::of_file(file, problem)
    };
    let is_blank = yaml::is_blank(text);
    let mut expected = if is_blank { Value::Object(Map::new()) } else { parse(text).map_err(failed)? };
    let document = if is_blank {
        Document::new_mapping()
    } else {
        Document::from_str(text).map_err(|error| failed(error.to_string()))?
    };
    let mut is_changed = false;
    for (key, value) in changes {
        if set(&mut expected, key, value) {
            is_changed = true;
            put(&document, key, value).ok_or_else(|| failed(format!("{key} has no place in it")))?;
        }
    }
    if !is_changed {
        return Ok(text.to_owned());
    }
    let mut edited = document.to_string();
    if is_blank {
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        edited = format!("{text}{end}{}\n", edited.trim_end());
    }
    // A file that mixes both keeps each line as it is.
    if text.contains("\r\n") && !text.replace("\r\n", "").contains('\n') {
        edited = edited.replace("\r\n", "\n").replace('\n', "\r\n");
    }
    // Whatever the library makes of unusual files: what is written means what it should.
    match parse(&edited) {
        Ok(means) if means == expected => Ok(edited),
        Ok(_) => Err(failed("its form is too unusual".to_owned())),
        Err(problem) => Err(failed(problem)),
    }
}

/// Sets a key in a document's meaning; whether that changed it.
fn set(tree: &mut Value, key: &str, value: &Value) -> bool {
    let (name, below) = key.split_once('.').map_or((key, None), |(name, below)| (name, Some(below)));
    if !tree.is_object() {
        if value.is_null() {
            return false;
        }
        *tree = Value::Object(Map::new());
    }
    let Some(map) = tree.as_object_mut() else { return false };
    match below {
        Some(_) if value.is_null() && !map.contains_key(name) => false,
        Some(below) => set(map.entry(name).or_insert(Value::Null), below, value),
        None if value.is_null() => map.shift_remove(name).is_some(),
        None => map.insert(name.to_owned(), value.clone()).as_ref() != Some(value),
    }
}

/// Does the same to its text.
fn put(document: &Document, key: &str, value: &Value) -> Option<()> {
    let (above, name) = key.rsplit_once('.')?;
    let mut map = document.as_mapping()?;
    for part in above.split('.') {
        if map.get_mapping(part).is_none() {
            map.set(part, Mapping::new());
        }
        map = map.get_mapping(part)?;
    }
    match value {
        Value::Null => drop(map.remove(name)),
        Value::Bool(value) => map.set(name, *value),
        Value::Number(value) => map.set(name, value.as_f64()?),
        Value::String(value) => map.set(name, value.as_str()),
        Value::Array(_) | Value::Object(_) => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests;
