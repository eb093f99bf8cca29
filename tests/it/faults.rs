//! Every fault of NATS, over real servers: killed, frozen, emptied, led by another one, flooded, away while thousands ask;
//! out of disk; and whatever nodes may report. Each test waits for what happens, and none asks how fast.

mod away;
mod buckets;
mod full_disk;
mod leaders;
mod poison;
mod replicas;
mod restarts;
mod site;
mod slow;
mod switches;
