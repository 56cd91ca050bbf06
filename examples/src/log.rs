//! Log lines as JSON, with the fields that upstream's programs write.

use std::fmt;

use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

/// One JSON object a line: `time`, `level`, `msg`, and the fields of the event beside them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = event.metadata().level().as_str().to_lowercase();
        let now = argo_core::time::rfc3339(argo_core::Clock::system().now());
        writeln!(writer, "{}", fields.line(&level, &now, event.metadata().target()))
    }
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn line(mut self, level: &str, time: &str, target: &str) -> Value {
        for (name, value) in [("level", level), ("time", time), ("logger", target)] {
            // A field of the event that has the same name is kept beside it, as logrus does.
            if let Some(own) = self.0.insert(name.to_owned(), value.into()) {
                self.0.insert(format!("fields.{name}"), own);
            }
        }
        self.0.into()
    }

    fn put(&mut self, field: &Field, value: Value) {
        let name = if field.name() == "message" { "msg" } else { field.name() };
        self.0.insert(name.to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(text);
            Ok(text.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_has_the_fields_that_log_pipelines_read() {
        let lines = Lines::default();
        let out = lines.clone();
        let log = tracing_subscriber::fmt().event_format(Json).with_writer(move || out.clone()).finish();
        tracing::subscriber::with_default(log, || {
            tracing::warn!(rollout = "shop", weight = 20, level = "own", "a \"quoted\" text");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let line: Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!((&line["level"], &line["msg"]), (&"warn".into(), &"a \"quoted\" text".into()));
        assert_eq!(
            (&line["rollout"], &line["weight"], &line["fields.level"]),
            (&"shop".into(), &20.into(), &"own".into())
        );
        assert!(argo_core::time::parse(line["time"].as_str().unwrap()).is_ok(), "{line}");
        assert_eq!(text.lines().count(), 1);
    }
}
