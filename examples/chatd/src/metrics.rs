//! How often things have happened, and how long they took, in the text format of Prometheus. No label has the name of a session.

use futures_util::{Stream, StreamExt};
use prometheus_client::{
    encoding::prometheus_text,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use serde_json::{Value, json};
use turnwise::manager::{SessionEvent, Stats, Update};

/// What only events tell. turnwise counts the rest. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Metrics {
    waits: Histogram,
    starts: Histogram,
    turns: Histogram,
    missed: Counter,
}

/// From a millisecond to 20 minutes.
fn seconds() -> Histogram {
    let steps = [
        0.001, 0.01, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1200.0,
    ];
    Histogram::new(steps)
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            waits: seconds(),
            starts: seconds(),
            turns: seconds(),
            missed: Counter::default(),
        }
    }

    /// Until the events end.
    pub(crate) async fn observe<E>(self, events: E)
    where
        E: Stream<Item = Update<SessionEvent<String>>>,
    {
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            let (histogram, took) = match event {
                Update::Event(SessionEvent::TurnBegan { waited, .. }) => (&self.waits, waited),
                Update::Event(SessionEvent::Started { took, .. }) => (&self.starts, took),
                Update::Event(SessionEvent::TurnEnded { took, .. }) => (&self.turns, took),
                Update::Event(_) => continue,
                Update::Lagged(count) => {
                    self.missed.inc_by(count);
                    continue;
                }
            };
            histogram.observe(took.as_secs_f64());
        }
    }

    /// With the counters, and the phase of each session and how many calls wait for it.
    pub(crate) fn text(&self, stats: &Stats, sessions: &[(&'static str, u32)]) -> String {
        let mut registry = Registry::with_prefix("turnwise");
        // The names of the reasons are those of the fields, which grow with turnwise.
        let stats = json!(stats);
        for (name, help, label) in [
            ("starts", "Starts that made a session", None),
            ("failed_starts", "Starts that failed", None),
            ("stops", "Stopped sessions", Some("reason")),
            ("unclean_stops", "Stops that failed", None),
            ("turns", "Ended turns", Some("outcome")),
            ("refused", "Refused calls", Some("reason")),
        ] {
            counters(&mut registry, name, help, label, &stats[name]);
        }
        let phases = Family::<[(&str, &str); 1], Gauge>::default();
        for phase in crate::desk::PHASES {
            let count = sessions
                .iter()
                .filter(|(session, _)| *session == phase)
                .count();
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            phases.get_or_create(&[("phase", phase)]).set(count);
        }
        registry.register("sessions", "Sessions", phases);
        let waiting = Gauge::<i64>::default();
        waiting.set(
            sessions
                .iter()
                .map(|(_, waiting)| i64::from(*waiting))
                .sum(),
        );
        registry.register("queued_calls", "Calls that wait in queues", waiting);
        for (name, help, histogram) in [
            ("wait", "From the call to its turn", &self.waits),
            ("start", "Starts that made a session", &self.starts),
            ("turn", "Turns, from begin to end", &self.turns),
        ] {
            registry.register_with_unit(name, help, Unit::Seconds, histogram.clone());
        }
        let help = "Events that the histograms lack";
        registry.register("missed_events", help, self.missed.clone());
        let mut text = String::new();
        // Writing to a string does not fail.
        _ = prometheus_text::encode(&mut text, &registry);
        text
    }
}

/// One counter, or one for each field.
fn counters(
    registry: &mut Registry,
    name: &str,
    help: &str,
    label: Option<&'static str>,
    value: &Value,
) {
    let family = Family::<Vec<(&str, String)>, Counter>::default();
    let count = |labels, value: &Value| {
        let counter = family.get_or_create(&labels);
        counter.inc_by(value.as_u64().unwrap_or(0));
    };
    match (label, value) {
        (Some(label), Value::Object(fields)) => {
            for (field, value) in fields {
                count(vec![(label, field.clone())], value);
            }
        }
        _ => count(Vec::new(), value),
    }
    registry.register(name, help, family);
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use std::time::Duration;
    use turnwise::{Incarnation, Ticket};

    #[tokio::test]
    async fn what_is_missed_is_counted() {
        let metrics = Metrics::new();
        let began = SessionEvent::TurnBegan {
            key: "secret".to_owned(),
            incarnation: Incarnation::try_from(1).expect("a number"),
            turn: Ticket::try_from(1).expect("a number"),
            waited: Duration::from_secs(2),
        };
        let events = [Update::Lagged(3), Update::Event(began), Update::Lagged(4)];
        metrics.clone().observe(stream::iter(events)).await;
        let text = metrics.text(&Stats::default(), &[("idle", 0), ("busy", 2), ("busy", 1)]);
        for line in [
            "turnwise_missed_events_total 7",
            "turnwise_wait_seconds_sum 2.0",
            "turnwise_wait_seconds_count 1",
            "turnwise_wait_seconds_bucket{le=\"1\"} 0",
            "turnwise_wait_seconds_bucket{le=\"5\"} 1",
            "turnwise_starts_total 0",
            "turnwise_stops_total{reason=\"discarded\"} 0",
            "turnwise_stops_total{reason=\"aged\"} 0",
            "turnwise_turns_total{outcome=\"timed_out\"} 0",
            "turnwise_refused_total{reason=\"not_accepting\"} 0",
            "turnwise_sessions{phase=\"busy\"} 2",
            "turnwise_sessions{phase=\"starting\"} 0",
            "turnwise_queued_calls 3",
        ] {
            assert!(text.lines().any(|there| there == line), "{line}\n{text}");
        }
        assert!(!text.contains("secret"), "{text}");
    }
}
