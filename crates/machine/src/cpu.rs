//! Which machine this is, as far as figures of it are good for it alone.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;
use vicinal_exec::Topology;

/// What figures are bound to: on another of these they are measured anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The CPU's name.
    pub cpu: String,
    /// The instruction set of the kernels.
    pub isa: String,
    /// Cores that the process may use.
    pub cores: usize,
    /// Bytes of the last cache that a core has, alone or with others; 0 if the system
    /// does not say.
    pub last_cache_bytes: u64,
}

impl Machine {
    /// This one.
    pub fn detect() -> Self {
        // What the system does not show stays unknown, and the same at the next start.
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Self {
            cpu: cpu_name(&cpuinfo),
            isa: vicinal_distance::kernels().isa().name().to_owned(),
            cores: Topology::detect().core_count(),
            last_cache_bytes: last_cache_bytes(),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, isa, cores, last_cache_bytes } = self;
        write!(f, "{cpu}, {cores} cores, {isa}, last cache {last_cache_bytes} bytes")
    }
}

/// The CPU in the words of `/proc/cpuinfo`: its name, or numbers where it has none
/// (aarch64).
fn cpu_name(cpuinfo: &str) -> String {
    let value = |wanted: &str| {
        let fields = cpuinfo.lines().filter_map(|line| line.split_once(':'));
        let mut found = fields.filter(|(key, _)| key.trim() == wanted);
        found.next().map(|(_, value)| value.trim().to_owned()).filter(|value| !value.is_empty())
    };
    value("model name")
        .or_else(|| {
            Some(format!("implementer {}, part {}", value("CPU implementer")?, value("CPU part")?))
        })
        .unwrap_or_else(|| "unknown".to_owned())
}

fn last_cache_bytes() -> u64 {
    let cache = "/sys/devices/system/cpu/cpu0/cache";
    let size = |index: usize| fs::read_to_string(format!("{cache}/index{index}/size")).ok();
    (0..8).map_while(size).filter_map(|text| bytes(&text)).max().unwrap_or(0)
}

/// The size of a cache in the system's words, `32768K`.
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, unit) = match text.strip_suffix('K') {
        Some(number) => (number, 1024),
        None => (text.strip_suffix('M')?, 1024 * 1024),
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_has_a_name_or_numbers_or_is_unknown() {
        let check = |text: &str, expected: &str| assert_eq!(cpu_name(text), expected);
        check("processor\t: 0\nmodel name\t: AMD EPYC: x\nmodel name\t: other\n", "AMD EPYC: x");
        check("CPU implementer\t: 0x41\nCPU part\t: 0xd40\n", "implementer 0x41, part 0xd40");
        check("model name\t: \n", "unknown");
        check("", "unknown");
    }

    #[test]
    fn cache_sizes_are_read() {
        assert_eq!(bytes("32768K\n"), Some(32 << 20));
        assert_eq!(bytes("32M"), Some(32 << 20));
        assert_eq!([bytes(""), bytes("K"), bytes("7")], [None; 3]);
    }
}
