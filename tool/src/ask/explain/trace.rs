//! The start for trace viewers: the JSON of Chrome's trace event format, "complete" events (`ph: X`) in microseconds.

use serde_json::{Value, json};

use super::narrate::choice;
use super::start::{Start, short};

/// Rows of the viewer.
const STAGES: u32 = 1;
const WORK: u32 = 2;
const CALLS: u32 = 3;

/// The whole file.
pub fn trace(start: &Start) -> Value {
    let mut events = Vec::new();
    for (row, name) in [
        (STAGES, "stages"),
        (WORK, "search, map, relocate, construct"),
        (CALLS, "code of the program"),
    ] {
        events.push(json!({"ph": "M", "pid": 1, "tid": row, "name": "thread_name", "args": {"name": name}}));
    }
    let mut add = |row: u32, kind: &str, name: &str, begin: u64, end: u64, arguments: Value| {
        events.push(json!({
            "ph": "X", "pid": 1, "tid": row, "cat": kind, "name": name, "args": arguments,
            "ts": (begin.saturating_sub(start.begin)) as f64 / 1_000.0,
            "dur": (end.saturating_sub(begin)) as f64 / 1_000.0,
        }));
    };
    for stage in &start.stages {
        add(STAGES, "stage", &stage.name, stage.begin, stage.end, Value::Null);
    }
    if let Some(last) = start.stages.last().filter(|_| !start.initialised.is_empty()) {
        add(STAGES, "stage", "construct", last.end, start.end, Value::Null);
    }
    for search in &start.searches {
        let facts = json!({"by": search.by, "rule": search.rule, "found": search.tried, "passed": search.passed});
        add(
            WORK,
            "search",
            &format!("search {}", search.name),
            search.begin,
            search.opened,
            facts,
        );
        if let Some(path) = &search.tried {
            let name = format!("map {}", short(path));
            add(WORK, "map", &name, search.opened, search.end, json!({"file": path}));
        }
    }
    for (kind, spans) in [("relocate", &start.relocated), ("construct", &start.initialised)] {
        for span in spans {
            let name = format!("{kind} {}", short(&span.name));
            add(WORK, kind, &name, span.begin, span.end, json!({"file": span.name}));
        }
    }
    for call in &start.resolvers {
        let facts = json!({"resolver": format!("{:#x}", call.function), "for": call.module});
        add(
            CALLS,
            "ifunc",
            &choice(start, call),
            call.begin,
            call.end.unwrap_or(start.end),
            facts,
        );
    }
    for call in &start.constructors {
        let name = start
            .owner(call.function)
            .map_or_else(String::new, |module| module.name_of(call.function));
        let facts = json!({"function": format!("{:#x}", call.function), "of": call.module});
        add(
            CALLS,
            "constructor",
            &name,
            call.begin,
            call.end.unwrap_or(start.end),
            facts,
        );
    }
    json!({"displayTimeUnit": "ns", "traceEvents": events})
}
