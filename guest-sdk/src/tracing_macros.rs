//! The macros of the crate `tracing`, into the run's log: an event's message, its other fields, and
//! before it the spans that it is in.

use std::fmt::{self, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Dispatch, Event, Level, Metadata, Subscriber, dispatcher};

use crate::log;

#[derive(Default)]
struct ToRun(Mutex<Spans>);

/// The spans of a run. There is one thread, so those that are entered are a stack.
#[derive(Default)]
struct Spans {
    texts: Vec<String>,
    entered: Vec<usize>,
}

impl ToRun {
    fn spans(&self) -> MutexGuard<'_, Spans> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place(id: &Id) -> usize {
    usize::try_from(id.into_u64() - 1).unwrap_or(usize::MAX)
}

impl Subscriber for ToRun {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut text = attributes.metadata().name().to_owned();
        attributes.record(&mut Fields(&mut text));
        let mut spans = self.spans();
        spans.texts.push(text);
        Id::from_u64(spans.texts.len() as u64)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        if let Some(text) = self.spans().texts.get_mut(place(id)) {
            values.record(&mut Fields(text));
        }
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = String::new();
        {
            let spans = self.spans();
            for span in spans.entered.iter().filter_map(|place| spans.texts.get(*place)) {
                let _ = write!(text, "{span}: ");
            }
        }
        let prefix = text.len();
        event.record(&mut Fields(&mut text));
        // Fields are parted by a space; the first has nothing before it to be parted from.
        if text.get(prefix..).is_some_and(|fields| fields.starts_with(' ')) {
            text.remove(prefix);
        }
        let level = match *event.metadata().level() {
            Level::ERROR => log::Level::Error,
            Level::WARN => log::Level::Warn,
            Level::INFO => log::Level::Info,
            Level::DEBUG => log::Level::Debug,
            Level::TRACE => log::Level::Trace,
        };
        log::write(level, text);
    }

    fn enter(&self, id: &Id) {
        self.spans().entered.push(place(id));
    }

    fn exit(&self, id: &Id) {
        let mut spans = self.spans();
        if let Some(at) = spans.entered.iter().rposition(|entered| *entered == place(id)) {
            spans.entered.remove(at);
        }
    }
}

/// Writes fields as ` name=value`, and an event's message as it is.
struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = match field.name() {
            "message" => write!(self.0, " {value}"),
            name => write!(self.0, " {name}={value}"),
        };
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

/// From here on, what is traced ends in the run's log; unless the Action has set a subscriber of
/// its own.
pub(crate) fn install() {
    if !dispatcher::has_been_set() {
        // It can only fail when another has been set meanwhile, and then that one is to be used.
        let _ = dispatcher::set_global_default(Dispatch::new(ToRun::default()));
    }
}
