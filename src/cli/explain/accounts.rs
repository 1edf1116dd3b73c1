//! The accounts that can log in.

use crate::error::Result;
use crate::kernel::accounts::list;

/// The names of shells with which nobody logs in.
const NO_SHELLS: [&str; 3] = ["nologin", "false", "sync"];

/// Returns the names of the accounts that can log in, in the order of the databases. A directory service may list none.
///
/// # Errors
///
/// The databases cannot be listed.
pub fn names() -> Result<Vec<String>> {
    list().map(|list| of_list(&list))
}

/// The names in a list as passwd(5) has it, each once.
fn of_list(list: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for line in list.lines() {
        if let [name, _, _, _, _, _, shell] = line.split(':').collect::<Vec<_>>().as_slice()
            && can_log_in(shell)
            && !names.iter().any(|known| known == name)
        {
            names.push((*name).to_owned());
        }
    }
    names
}

/// Whether somebody can log in with that shell; one that is not named is sh(1).
fn can_log_in(shell: &str) -> bool {
    let name = shell.rsplit('/').next().unwrap_or_default();
    !NO_SHELLS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_with_a_shell_can_log_in() {
        let list = "root:x:0:0:root:/root:/bin/bash\n\
                    daemon:x:1:1::/usr/sbin:/usr/sbin/nologin\n\
                    sync:x:4:65534:sync:/bin:/bin/sync\n\
                    alice:x:1000:1000:Alice,,,:/home/alice:\n\
                    off:x:1001:1001::/:/bin/false\n\
                    alice:x:1000:1000:again:/home/alice:/bin/sh\n\
                    half a line\n\
                    bob:x:1002:1002::/home/bob:/usr/bin/fish\n";
        assert_eq!(of_list(list), ["root", "alice", "bob"]);
    }
}
