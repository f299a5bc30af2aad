//! The center from outside: over a real socket, and as a command.

mod client;
mod command;
mod http;
mod schemas;
