//! Executables as chain steps in a running service: what they may do wrong, what they are told, what dies under them.

mod deaths;
mod fastx4;
mod hostile;
mod machine;
mod once;
mod resident;
mod site;
mod turns;
