//! Agreeing on an order: Raft groups driven without IO of their own, over
//! storage's one log of the node.
//!
//! A [`Node`] holds the node's share of all Raft groups. A command is
//! [proposed](Node::propose) to a group, written to the log together with all
//! that waits in other groups, made durable by one sync, committed, applied to
//! the group's [`StateMachine`], and only then answered.
//!
//! It is not a place that knows what a command means, nor one that opens
//! sockets: a group has one voter, this node; messages for others are reported
//! and dropped until there is a transport.
//!
//! # Invariants
//! * An answer `Ok` is given after the sync that covers the entry returned and
//!   the entry was applied; nothing is applied before it is durable.
//! * A failed write or sync of the log stops all writing for good; it is never
//!   retried. Reading what is applied goes on elsewhere.
//! * A panic in a state machine stops its group and no other.
//! * Waiting commands are bounded in number per group and in bytes per node.
//! * Two threads: `raft-log` owns all groups and the log, `apply` owns all state
//!   machines; the sync of one round runs beside the applying of the last.
//!
//! # Example
//! ```
//! use std::{path::Path, sync::Arc, sync::mpsc};
//! use vicinal_cluster::{Committed, GroupStart, Node, NodeOptions, StateMachine};
//! use vicinal_storage::{Log, LogOptions, LogPosition, SimDisk};
//! use vicinal_types::{GroupId, NodeId, SystemClock};
//!
//! /// Adds up the lengths of all commands.
//! struct Sum(usize);
//!
//! impl StateMachine for Sum {
//!     type Outcome = usize;
//!     fn apply(&mut self, commands: &[Committed]) -> Vec<usize> {
//!         commands.iter().map(|command| { self.0 += command.data.len(); self.0 }).collect()
//!     }
//!     fn applied(&mut self, _: LogPosition) {}
//! }
//!
//! let disk = Arc::new(SimDisk::new(1));
//! let (log, _) = Log::open(disk, Path::new("log"), LogOptions::default())?;
//! let node = Node::start(NodeOptions::new(NodeId(1)), log, Arc::new(SystemClock))?;
//! node.add_group(GroupStart::empty(GroupId(7)), Sum(0));
//! let (sender, receiver) = mpsc::channel();
//! let done = move |outcome| sender.send(outcome).expect("the receiver waits");
//! node.propose(GroupId(7), "three".into(), Box::new(done));
//! assert_eq!(receiver.recv()?, Ok(5));
//! node.stop();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod conformance;
mod error;
mod node;
mod replica;
mod state_machine;

pub use conformance::check_state_machine;
pub use error::{CatchUpError, ProposeError, StartError};
pub use node::{GroupStatus, Node, NodeOptions};
pub use state_machine::{Committed, Done, GroupStart, StateMachine};
