//! `regionguard check` as people and CI run it: the binary, its output and its exit code.

#[path = "check/advice.rs"]
mod advice;
#[path = "check/cases.rs"]
mod cases;
#[path = "check/command.rs"]
mod command;
#[path = "check/formats.rs"]
mod formats;
#[path = "check/hostile.rs"]
mod hostile;
#[path = "check/run.rs"]
mod run;
#[path = "check/shipped.rs"]
mod shipped;
