//! The log: what turnwise and the daemon report, a line each, and panics.

use crate::{
    escape::{self, Escaping},
    output::Output,
};
use std::{any::Any, backtrace::Backtrace, fmt::Write, panic, thread};
use tracing_subscriber::{
    Layer,
    field::MakeExt,
    filter::Targets,
    fmt::{self, format},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// From here on.
pub(crate) fn start(output: Output, filter: Targets, colours: bool) {
    // Each value by itself, whichever event it is of: the errors of an agent are its own words.
    let fields = format::debug_fn(|writer, field, value| {
        if field.name() == "message" {
            write!(Escaping(writer), "{value:?}")
        } else {
            write!(Escaping(writer), "{field}={value:?}")
        }
    });
    let to = output.clone();
    let layer = fmt::layer()
        .fmt_fields(fields.delimited(" "))
        .with_ansi(colours)
        .log_internal_errors(false)
        .with_writer(move || to.clone());
    tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .init();
    // std's own would write to standard error, and wait for it.
    panic::set_hook(Box::new(move |panicked| {
        let thread = thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        let mut text = format!("chatd: the thread {thread} panicked");
        if let Some(place) = panicked.location() {
            text += &format!(" at {place}");
        }
        text += &format!(": {}\n", escape::line(words(panicked.payload())));
        // Nothing, if it is not asked for.
        let backtrace = Backtrace::capture();
        if backtrace.status() == std::backtrace::BacktraceStatus::Captured {
            text += &format!("{backtrace}");
        }
        output.put(&text);
    }));
}

/// What a panic was given.
pub(crate) fn words(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    let owned = || payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(owned).unwrap_or("no words")
}
