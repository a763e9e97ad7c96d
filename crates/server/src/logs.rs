//! Log lines on standard error, for people or for machines.

use crate::config::{LogConfig, LogFormat};
use crate::server::StartError;
use std::io::IsTerminal as _;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// What turns events into lines.
type Lines = Box<dyn Subscriber + Send + Sync>;

/// Starts logging for the whole process.
///
/// # Errors
/// [`StartError::Logs`] if the filter is none, or logging was started before.
pub(crate) fn start(config: &LogConfig) -> Result<(), StartError> {
    let colours = std::io::stderr().is_terminal();
    let lines = lines(config, std::io::stderr, colours)?;
    lines.try_init().map_err(|error| StartError::Logs(error.to_string()))
}

/// Lines written to `writer`; those inside a request carry its span's fields.
fn lines<W>(config: &LogConfig, writer: W, colours: bool) -> Result<Lines, StartError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(&config.level);
    let filter = filter.map_err(|error| StartError::Logs(error.to_string()))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    Ok(match config.format {
        LogFormat::Text => Box::new(lines.with_ansi(colours).with_target(false).finish()),
        LogFormat::Json => {
            Box::new(lines.json().flatten_event(true).with_span_list(false).finish())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;
    use std::io::{self, Write};
    use std::sync::Arc;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines of two events inside a request and one outside.
    fn written(level: &str, format: LogFormat) -> Vec<String> {
        let sink = Sink::default();
        let writer = sink.clone();
        let config = LogConfig { level: level.to_owned(), format };
        let lines = lines(&config, move || writer.clone(), false).expect("a right filter");
        tracing::subscriber::with_default(lines, || {
            tracing::info!("outside");
            let span = tracing::error_span!("request", request_id = "00ff", rpc = "Rows.Get");
            let _entered = span.enter();
            tracing::debug!("quiet");
            tracing::warn!(segment = 3, "inside");
        });
        let bytes = sink.0.lock().clone();
        String::from_utf8(bytes).expect("UTF-8").lines().map(str::to_owned).collect()
    }

    #[test]
    fn every_line_of_a_request_carries_its_id() {
        let text = written("info", LogFormat::Text);
        assert_eq!(text.len(), 2, "{text:?}");
        assert!(!text[0].contains("request"), "{}", text[0]);
        assert!(
            text[1].contains("request_id=\"00ff\"") && text[1].contains("segment=3"),
            "{}",
            text[1]
        );
        assert_eq!(written("warn", LogFormat::Text).len(), 1);
        assert_eq!(written("debug", LogFormat::Text).len(), 3);
    }

    #[test]
    fn json_lines_are_objects_with_the_same_fields() {
        let lines = written("info", LogFormat::Json);
        let line: serde_json::Value = serde_json::from_str(&lines[1]).expect("JSON");
        assert_eq!(line["message"], "inside");
        assert_eq!(line["segment"], 3);
        assert_eq!(line["span"]["request_id"], "00ff");
        assert_eq!(line["level"], "WARN");
    }
}
