//! The bus as scripts/nats protects it: what each role may do works, and what it may not do is refused.

mod certificates;
mod cluster;
mod logins;
mod matrix;
mod roles;
mod site;
mod tricks;
