//! Starts from the request to the running process: real NATS, a real service, real agents and real programs.

mod commands;
mod deaths;
mod failures;
mod jobs;
mod launchers;
mod site;
mod traces;
