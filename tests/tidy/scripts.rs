//! That shell scripts parse.

use std::process::Command;

use crate::offence::Offence;

/// Whether a file is a script of ours.
pub(crate) fn is_script(path: &str) -> bool {
    path.ends_with(".sh") || path == ".ci/run"
}

/// What bash says about a script without running it.
pub(crate) fn invalid(path: &str, text: &str) -> Vec<Offence> {
    let mut found = Vec::new();
    if !text.starts_with("#!/usr/bin/env bash\n") || !text.contains("\nset -euo pipefail\n") {
        let what = "begin with `#!/usr/bin/env bash` and have `set -euo pipefail`";
        found.push(Offence::new(path, 1, what));
    }
    let checked = Command::new("bash").args(["-n", "-c", text]).output();
    let checked = checked.expect("bash is on every system that builds this");
    if !checked.status.success() {
        let said = String::from_utf8_lossy(&checked.stderr);
        found.push(Offence::new(path, 1, format!("bash -n: {}", said.trim())));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_script_is_found() {
        let head = "#!/usr/bin/env bash\nset -euo pipefail\n";
        assert!(invalid("a.sh", &format!("{head}echo a\n")).is_empty());
        assert_eq!(invalid("a.sh", &format!("{head}if true; then\n")).len(), 1);
        assert_eq!(invalid("a.sh", "#!/bin/sh\necho a\n").len(), 1);
    }
}
