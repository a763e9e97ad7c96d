//! The node from outside, over the simulated disk and, for speed, a real one.

mod bounds;
mod crash;
mod failure;
mod order;
mod restart;
mod rig;
mod throughput;
