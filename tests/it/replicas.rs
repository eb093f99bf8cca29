//! Several replicas of `whither serve` on one real NATS server: what they tell each other, capacity that is never
//! exceeded, licences that are held once, and requests that wait.

mod claims;
mod frozen;
mod gossip;
pub(crate) mod group;
mod licences;
mod paused;
mod releases;
mod requests;
mod strict;
mod waiting;
