//! `override`: what holds for all requests for a time, whatever the policies say.

use super::diagnostic::{Read, Sink};
use super::document::{Override, OverrideMode};
use super::instant;
use super::reader::{At, Shape};
use super::value::Value;

const OVERRIDE: Shape = Shape {
    fields: &["mode", "until", "who", "why"],
    later: &[],
};

pub(super) fn read(at: &At<'_>, sink: &mut Sink) -> Read<Override> {
    let fields = at.fields(&OVERRIDE, sink)?;
    let mode = fields.required("mode", sink, |at, sink| match at.value {
        Value::String(text) if text == "deny_all" => Ok(OverrideMode::DenyAll),
        _ => at.word(
            &[("observe", OverrideMode::Observe), ("denyAll", OverrideMode::DenyAll)],
            sink,
        ),
    });
    let until = fields.required("until", sink, |at, sink| {
        let until = instant::read(at, sink)?;
        Ok((until, at.text(sink)?.to_owned()))
    });
    let who = fields.required("who", sink, At::text);
    let why = fields.required("why", sink, At::text);
    let (mode, (until, told_until), who, why) = (mode?, until?, who?, why?);
    let message = match mode {
        OverrideMode::Observe => {
            "until its end, requests that policies refuse are let in: take it away as soon as it is not needed"
        }
        OverrideMode::DenyAll => "until its end, every request is refused: take it away as soon as it is not needed",
    };
    sink.warn(&at.path, message);
    Ok(Override {
        mode,
        until,
        told_until,
        who: who.to_owned(),
        why: why.to_owned(),
    })
}
