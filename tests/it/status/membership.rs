//! Membership as operators see it: nodes with their agents, and pings end to end.
