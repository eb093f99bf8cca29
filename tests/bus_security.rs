//! The bus as scripts/nats protects it: what each role may do works, and what it may not do is refused.

#[path = "bus_security/certificates.rs"]
mod certificates;
#[path = "bus_security/cluster.rs"]
mod cluster;
#[path = "bus_security/logins.rs"]
mod logins;
#[path = "bus_security/roles.rs"]
mod roles;
#[path = "bus_security/site.rs"]
mod site;
mod support;
#[path = "bus_security/tricks.rs"]
mod tricks;
