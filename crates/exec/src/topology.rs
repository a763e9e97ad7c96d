//! Which cores the process may use, and on which NUMA node each one is.

use std::collections::BTreeSet;
use std::sync::OnceLock;

/// More than any machine has: a list up to it is made without harm.
const CORES_MAX: usize = 65_535;

/// The NUMA nodes that the process may run on, each with at least one core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    nodes: Vec<NumaNode>,
}

/// Memory and the cores next to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumaNode {
    /// The operating system's number of the node.
    pub number: usize,
    /// The operating system's numbers of its hardware threads, ascending.
    pub cores: Vec<usize>,
}

/// Why a topology could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopologyError {
    /// hwloc did not understand the description or found nothing.
    #[error("hwloc gives no topology for {description:?}: {reason}")]
    Hwloc {
        /// What was asked for.
        description: String,
        /// What hwloc said.
        reason: String,
    },
    /// A list of cores is not one that can be used.
    #[error("{list:?} {reason}")]
    Cores {
        /// The list.
        list: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The cores of a list as Linux writes them; none if it is no such list.
fn cores_of(list: &str) -> Option<BTreeSet<usize>> {
    let mut cores = BTreeSet::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if first > last || last > CORES_MAX {
            return None;
        }
        cores.extend(first..=last);
    }
    Some(cores)
}

impl Topology {
    /// The machine, cut down to the cores in the process's affinity mask. Where
    /// hwloc knows nothing, the machine is one node.
    pub fn detect() -> Self {
        let allowed: BTreeSet<usize> = match core_affinity::get_core_ids() {
            Some(cores) => cores.into_iter().map(|core| core.id).collect(),
            None => (0..Self::parallelism()).collect(),
        };
        // hwloc reads hundreds of files for what does not change: once is enough.
        static MACHINE: OnceLock<Result<Vec<NumaNode>, TopologyError>> = OnceLock::new();
        match MACHINE.get_or_init(machine_nodes) {
            Ok(nodes) => Self::restricted(nodes.clone(), allowed),
            Err(error) => {
                tracing::warn!(%error, "the machine is taken for one NUMA node");
                Self::restricted(Vec::new(), allowed)
            }
        }
    }

    /// A machine described in hwloc's words, for example `node:2 core:4 pu:1`.
    ///
    /// # Errors
    /// [`TopologyError::Hwloc`] if hwloc does not understand them.
    #[cfg(feature = "numa")]
    pub fn from_synthetic(description: &str) -> Result<Self, TopologyError> {
        let nodes = hwloc::synthetic_nodes(description)?;
        let all = nodes.iter().flat_map(|node| node.cores.iter().copied()).collect();
        Ok(Self::restricted(nodes, all))
    }

    /// The part that is of some cores, named as Linux lists them: `0-3,8`.
    ///
    /// # Errors
    /// [`TopologyError::Cores`] if the text is no list, or a core is none of these.
    pub fn only(&self, list: &str) -> Result<Self, TopologyError> {
        let refused = |reason: String| TopologyError::Cores { list: list.to_owned(), reason };
        let wanted = cores_of(list).ok_or_else(|| refused("is no list such as 0-3,8".into()))?;
        let known: BTreeSet<_> =
            self.nodes.iter().flat_map(|node| node.cores.iter().copied()).collect();
        if let Some(core) = wanted.difference(&known).next() {
            return Err(refused(format!("names core {core}, which this process may not use")));
        }
        Ok(Self::restricted(self.nodes.clone(), wanted))
    }

    /// The same cores as one node, whatever memory they are next to.
    pub fn as_one_node(&self) -> Self {
        let cores = self.nodes.iter().flat_map(|node| node.cores.iter().copied());
        Self::restricted(Vec::new(), cores.collect())
    }

    /// Nodes as they are given.
    #[cfg(test)]
    pub(crate) fn of(nodes: Vec<NumaNode>) -> Self {
        Self { nodes }
    }

    /// The NUMA nodes, by number.
    pub fn nodes(&self) -> &[NumaNode] {
        &self.nodes
    }

    /// Hardware threads of all nodes.
    pub fn core_count(&self) -> usize {
        self.nodes.iter().map(|node| node.cores.len()).sum()
    }

    /// How many threads can run at once: the affinity mask and the control
    /// group's CPU quota both count.
    pub(crate) fn parallelism() -> usize {
        std::thread::available_parallelism().map_or(1, usize::from)
    }

    /// Keeps the allowed cores; those that no node names go to the first one.
    fn restricted(nodes: Vec<NumaNode>, allowed: BTreeSet<usize>) -> Self {
        let mut homeless = allowed.clone();
        let mut kept: Vec<NumaNode> = Vec::with_capacity(nodes.len());
        for mut node in nodes {
            // A core may be local to two memories, for example HBM beside DRAM:
            // it counts once.
            node.cores.retain(|core| homeless.remove(core));
            if !node.cores.is_empty() {
                kept.push(node);
            }
        }
        if kept.is_empty() {
            kept.push(NumaNode { number: 0, cores: Vec::new() });
        }
        kept[0].cores.extend(homeless);
        kept[0].cores.sort_unstable();
        Self { nodes: kept }
    }
}

#[cfg(feature = "numa")]
fn machine_nodes() -> Result<Vec<NumaNode>, TopologyError> {
    hwloc::machine_nodes()
}

#[cfg(not(feature = "numa"))]
fn machine_nodes() -> Result<Vec<NumaNode>, TopologyError> {
    Ok(Vec::new())
}

#[cfg(feature = "numa")]
mod hwloc {
    use super::{NumaNode, TopologyError};
    use hwlocality::Topology;
    use hwlocality::object::types::ObjectType;
    use hwlocality::topology::builder::TopologyBuilder;
    use std::fmt;

    pub(super) fn machine_nodes() -> Result<Vec<NumaNode>, TopologyError> {
        let topology = Topology::new().map_err(|error| refused("this machine", error))?;
        Ok(nodes(&topology))
    }

    pub(super) fn synthetic_nodes(description: &str) -> Result<Vec<NumaNode>, TopologyError> {
        let builder = TopologyBuilder::new().from_synthetic(description);
        let builder = builder.map_err(|error| refused(description, error))?;
        let topology = builder.build().map_err(|error| refused(description, error))?;
        Ok(nodes(&topology))
    }

    fn nodes(topology: &Topology) -> Vec<NumaNode> {
        let objects = topology.objects_with_type(ObjectType::NUMANode);
        let mut nodes: Vec<_> = objects
            .map(|object| NumaNode {
                number: object.os_index().unwrap_or_else(|| object.logical_index()),
                cores: object
                    .cpuset()
                    .map_or_else(Vec::new, |set| set.iter_set().map(usize::from).collect()),
            })
            .collect();
        nodes.sort_by_key(|node| node.number);
        nodes
    }

    fn refused(description: &str, error: impl fmt::Display) -> TopologyError {
        TopologyError::Hwloc { description: description.to_owned(), reason: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: usize, cores: &[usize]) -> NumaNode {
        NumaNode { number, cores: cores.to_vec() }
    }

    #[test]
    fn the_affinity_mask_cuts_nodes_and_drops_empty_ones() {
        let check = |nodes: &[NumaNode], allowed: &[usize], expected: &[NumaNode]| {
            let made = Topology::restricted(nodes.to_vec(), allowed.iter().copied().collect());
            assert_eq!(made.nodes(), expected);
        };
        let two = [node(0, &[0, 1]), node(1, &[2, 3])];
        check(&two, &[0, 1, 2, 3], &two);
        check(&two, &[1, 3], &[node(0, &[1]), node(1, &[3])]);
        check(&two, &[2], &[node(1, &[2])]);
        check(&[], &[4, 5], &[node(0, &[4, 5])]);
        // Cores that hwloc does not know still count.
        check(&two[..1], &[1, 7], &[node(0, &[1, 7])]);
        // Memory without cores of its own (CXL), or sharing them (HBM).
        check(&[node(0, &[0, 1]), node(1, &[]), node(2, &[0, 1])], &[0, 1], &[node(0, &[0, 1])]);
    }

    #[test]
    fn a_list_of_cores_cuts_the_machine() {
        let machine = Topology { nodes: vec![node(0, &[0, 1, 2, 3]), node(1, &[4, 5, 6, 7])] };
        let only = |list| machine.only(list).expect("a right list").nodes().to_vec();
        assert_eq!(only("1-2, 6"), [node(0, &[1, 2]), node(1, &[6])]);
        assert_eq!(only("7"), [node(1, &[7])]);
        let refused = |list| machine.only(list).expect_err("a wrong list").to_string();
        for list in ["", "a", "3-1", "1-", "1,,2", "0-99999999999"] {
            assert!(refused(list).contains("no list"), "{list}");
        }
        assert!(refused("3-9").contains("core 8"), "{}", refused("3-9"));
    }

    #[test]
    fn this_machine_has_the_cores_of_the_mask() {
        let topology = Topology::detect();
        let allowed = core_affinity::get_core_ids().expect("Linux tells");
        let mut cores: Vec<_> =
            topology.nodes().iter().flat_map(|node| node.cores.clone()).collect();
        cores.sort_unstable();
        assert_eq!(cores, allowed.iter().map(|core| core.id).collect::<Vec<_>>());
    }

    #[test]
    #[cfg(feature = "numa")]
    fn a_synthetic_machine_of_two_nodes_has_two_nodes() {
        let topology = Topology::from_synthetic("node:2 core:4 pu:1").expect("hwloc knows it");
        assert_eq!(topology.nodes(), [node(0, &[0, 1, 2, 3]), node(1, &[4, 5, 6, 7])]);
        assert_eq!(topology.core_count(), 8);
        assert_eq!(topology.as_one_node().nodes(), [node(0, &[0, 1, 2, 3, 4, 5, 6, 7])]);
    }

    #[test]
    #[cfg(feature = "numa")]
    fn a_description_that_hwloc_does_not_know_is_an_error() {
        let error = Topology::from_synthetic("no such machine").expect_err("not a topology");
        assert!(error.to_string().contains("no such machine"), "{error}");
    }
}
