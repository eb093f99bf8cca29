//! Every fault of NATS, over real servers: killed, frozen, emptied, led by another one, flooded, away while thousands ask;
//! and whatever nodes may report. Each test waits for what happens, and none asks how fast.

#[path = "support/mod.rs"]
mod support;

#[path = "faults/away.rs"]
mod away;
#[path = "faults/buckets.rs"]
mod buckets;
#[path = "faults/leaders.rs"]
mod leaders;
#[path = "faults/poison.rs"]
mod poison;
#[path = "faults/replicas.rs"]
mod replicas;
#[path = "faults/restarts.rs"]
mod restarts;
#[path = "faults/site.rs"]
mod site;
#[path = "faults/slow.rs"]
mod slow;
#[path = "faults/switches.rs"]
mod switches;
