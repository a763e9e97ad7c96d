//! Reads the file, then lays environment variables over it.

use super::Config;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Why there is no configuration to start with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there or cannot be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The file is not YAML, or a key or value in it is not known.
    #[error("configuration file {}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its line and key.
        message: String,
    },
    /// An environment variable names no setting.
    #[error("environment variable {variable} names no setting: {reason}")]
    UnknownVariable {
        /// The variable.
        variable: String,
        /// What there is instead.
        reason: String,
    },
    /// An environment variable has a value of the wrong type.
    #[error("environment variable {variable}={value:?}: {message}")]
    Variable {
        /// The variable.
        variable: String,
        /// Its value.
        value: String,
        /// What is wrong with it.
        message: String,
    },
    /// A value is not one that works.
    #[error("configuration: {key} {reason}")]
    Value {
        /// The setting, for example `limits.max_requests`.
        key: &'static str,
        /// The value, the limit and the way out.
        reason: String,
    },
}

/// What the names of variables that are settings start with.
const PREFIX: &str = "VICINAL_";

/// What stands between section and key.
const SEPARATOR: &str = "__";

impl Config {
    /// Reads the file, if there is one, and lays over it the variables among
    /// `env` that are named `VICINAL_SECTION__KEY`.
    ///
    /// # Errors
    /// [`ConfigError`] naming the file, line and key, or the variable.
    pub fn load(
        path: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut config = match path {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
                Self::parse(&text)
                    .map_err(|message| ConfigError::File { path: path.to_owned(), message })?
            }
            None => Self::default(),
        };
        for (variable, value) in env {
            let name = variable.strip_prefix(PREFIX).and_then(|name| name.split_once(SEPARATOR));
            if let Some((section, key)) = name {
                let (section, key) = (section.to_lowercase(), key.to_lowercase());
                config = config.with_variable(&variable, &section, &key, &value)?;
            }
        }
        config.check()?;
        Ok(config)
    }

    /// Reads YAML; an empty document is all defaults.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let config: Option<Self> = serde_saphyr::from_str(text)
            .map_err(|error| error.without_snippet().render().trim().replace('\n', "; "))?;
        Ok(config.unwrap_or_default())
    }

    fn with_variable(
        self,
        variable: &str,
        section: &str,
        key: &str,
        value: &str,
    ) -> Result<Self, ConfigError> {
        let unknown =
            |reason: String| ConfigError::UnknownVariable { variable: variable.to_owned(), reason };
        let wrong = |message: String| ConfigError::Variable {
            variable: variable.to_owned(),
            value: value.to_owned(),
            message,
        };
        let mut tree = serde_json::to_value(&self).map_err(|error| wrong(error.to_string()))?;
        let sections = names(&tree);
        let fields = tree.get_mut(section).ok_or_else(|| {
            unknown(format!("there is no section `{section}`, there are {sections}"))
        })?;
        let keys = names(fields);
        let field = fields
            .get_mut(key)
            .ok_or_else(|| unknown(format!("section `{section}` has no `{key}`, it has {keys}")))?;
        *field = match field {
            Value::String(_) => Value::String(value.to_owned()),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => serde_json::from_str(value.trim()).map_err(|_| {
                wrong(format!("is not of the type of {field}, the value without it"))
            })?,
        };
        serde_json::from_value(tree).map_err(|error| wrong(error.to_string()))
    }
}

/// The keys of an object, for a message.
fn names(value: &Value) -> String {
    let keys =
        value.as_object().map(|object| object.keys().map(String::as_str).collect::<Vec<_>>());
    keys.unwrap_or_default().join(", ")
}
