//! Several replicas of `whither serve` on one real NATS server: what they tell each other, capacity that is never
//! exceeded, and requests that wait.

mod support;

#[path = "replicas/claims.rs"]
mod claims;
#[path = "replicas/frozen.rs"]
mod frozen;
#[path = "replicas/gossip.rs"]
mod gossip;
#[path = "replicas/group.rs"]
mod group;
#[path = "replicas/paused.rs"]
mod paused;
#[path = "replicas/requests.rs"]
mod requests;
#[path = "replicas/strict.rs"]
mod strict;
#[path = "replicas/waiting.rs"]
mod waiting;
