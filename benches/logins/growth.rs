//! How a login's cost grows with what has nothing to do with it: other users, other processes, other people's rules.

use crate::host::{Host, POLICY, conf_of_peer};
use crate::login::Login;
use crate::measure::{Case, Measured, measure};
use crate::options::Part;
use crate::progress::Progress;

/// The mounts of a host whose mounts are not what is varied.
const MOUNTS: usize = 30;

/// The most names in a rule, rules and files that pam_namespace is measured with. It looks each name up, three times a
/// login: 10 000 take it more than half a minute.
const MOST_OF_PEER: usize = 1000;

/// Measures logins at each of some sizes, so many times each.
type Measure = fn(&[usize], usize, &Progress) -> Result<Vec<Measured>, String>;

/// Something that grows.
pub struct Growth {
    /// What it is.
    pub name: &'static str,
    /// How much there is of it, ascending.
    sizes: &'static [usize],
    /// Measures logins while it does.
    pub measure: Measure,
}

impl Growth {
    /// What grows in a part; nothing where it is no size that is varied.
    pub fn of(part: Part) -> Option<Self> {
        let (name, sizes, measure): (_, &'static [usize], Measure) = match part {
            Part::Users => ("users who are logged in", &[30, 300, 1000], by_users),
            Part::Processes => (
                "processes outside of sessions",
                &[100, 1000, 10_000],
                by_processes,
            ),
            Part::Names => ("names in each rule", &[10, 100, 1000, 10_000], by_names),
            Part::Rules => ("rules", &[10, 100, 1000], by_rules),
            Part::Files => ("files of the policy", &[1, 10, 100], by_files),
            Part::Mounts
            | Part::Calls
            | Part::Memory
            | Part::Parallel
            | Part::Presence
            | Part::Collections => return None,
        };
        Some(Self {
            name,
            sizes,
            measure,
        })
    }

    /// The sizes to measure: without the largest where it has to be quick.
    pub fn sizes(&self, is_quick: bool) -> Vec<usize> {
        let count = self.sizes.len() - usize::from(is_quick);
        self.sizes[..count].to_vec()
    }
}

/// Users who have a session, each in a namespace of their own, as the module that is measured makes it.
fn by_users(sizes: &[usize], rounds: usize, progress: &Progress) -> Result<Vec<Measured>, String> {
    let mut hosts = Vec::new();
    for size in sizes {
        for login in [Login::Limit, Login::First, Login::Peer] {
            let host = host_with_users(*size, login, rounds)?;
            hosts.extend(host.map(|host| (*size, login, host)));
        }
    }
    let measured_on = |holder: Login| -> &[Login] {
        match holder {
            Login::First => &[Login::First, Login::Later],
            Login::Peer => &[Login::Peer],
            _ => &[Login::Base, Login::Limit],
        }
    };
    let cases = hosts.iter().flat_map(|(size, holder, host)| {
        let (size, logins) = (*size, measured_on(*holder).iter());
        logins.map(move |login| Case {
            host,
            size,
            login: *login,
        })
    });
    Ok(measure(&cases.collect::<Vec<_>>(), rounds, progress))
}

/// A host where users have sessions; nothing where their module is not installed. So many first logins of others can
/// be measured on it.
///
/// # Errors
///
/// Why no machine can be made here.
pub fn host_with_users(users: usize, login: Login, rounds: usize) -> Result<Option<Host>, String> {
    let host = Host::make(MOUNTS)?;
    if login.is_of_peer() && !host.has_peer() {
        return Ok(None);
    }
    if login == Login::First {
        host.prepare_first_logins(rounds);
    }
    host.add_accounts("user", 5000, users);
    host.hold_crowd(login, users, "start-numbered=user");
    Ok(Some(host))
}

/// Processes outside of sessions.
fn by_processes(
    sizes: &[usize],
    rounds: usize,
    progress: &Progress,
) -> Result<Vec<Measured>, String> {
    let logins = [
        Login::Base,
        Login::Limit,
        Login::Changed,
        Login::Later,
        Login::Peer,
    ];
    let hosts = hosts(sizes, |host, size| {
        let number = size.to_string();
        host.hold(Login::Base, &["crowd", &number, "hold", "join"]);
    })?;
    Ok(measure(
        &cases(&hosts, &logins, usize::MAX),
        rounds,
        progress,
    ))
}

/// Names in each rule, which are those of other accounts.
fn by_names(sizes: &[usize], rounds: usize, progress: &Progress) -> Result<Vec<Measured>, String> {
    let hosts = hosts(sizes, |host, size| {
        host.add_accounts("named", 50_000, size);
        let names = |separator: &str, quote: &str| {
            let name = |each| format!("{quote}named{each}{quote}");
            (0..size).map(name).collect::<Vec<_>>().join(separator)
        };
        let except = format!("\"\nexcept = [{}]\n", names(", ", "\""));
        host.write("/etc/security/jns.toml", &POLICY.replace("\"\n", &except));
        let conf = conf_of_peer(&format!("root,{}", names(",", "")));
        host.write("/etc/security/namespace.conf", &conf);
    })?;
    Ok(measure_later(&hosts, rounds, progress))
}

/// Rules for somebody else.
fn by_rules(sizes: &[usize], rounds: usize, progress: &Progress) -> Result<Vec<Measured>, String> {
    let hosts = hosts(sizes, |host, size| {
        let of_others = |rule: fn(usize) -> String| (3..size).map(rule).collect::<String>();
        host.write(
            "/etc/security/jns.toml",
            &(POLICY.to_owned() + &of_others(rule_of_others)),
        );
        let conf = conf_of_peer("root") + &of_others(line_of_others);
        host.write("/etc/security/namespace.conf", &conf);
    })?;
    Ok(measure_later(&hosts, rounds, progress))
}

/// Files with a rule for somebody else each.
fn by_files(sizes: &[usize], rounds: usize, progress: &Progress) -> Result<Vec<Measured>, String> {
    let hosts = hosts(sizes, |host, size| {
        for each in 1..size {
            host.write(
                &format!("/etc/security/jns.d/{each}.toml"),
                &rule_of_others(each),
            );
            host.write(
                &format!("/etc/security/namespace.d/{each}.conf"),
                &line_of_others(each),
            );
        }
    })?;
    Ok(measure_later(&hosts, rounds, progress))
}

fn rule_of_others(number: usize) -> String {
    format!("[[private]]\npath = \"/srv/{number}\"\nusers = [\"nobody\"]\n")
}

fn line_of_others(number: usize) -> String {
    format!("/srv/{number} /t/of-namespace/1/ user ~nobody\n")
}

/// A host for each size, which `prepare` makes as large as that.
fn hosts(sizes: &[usize], prepare: impl Fn(&Host, usize)) -> Result<Vec<(usize, Host)>, String> {
    let make = |size: &usize| {
        let host = Host::make(MOUNTS)?;
        prepare(&host, *size);
        Ok((*size, host))
    };
    sizes.iter().map(make).collect()
}

fn measure_later(hosts: &[(usize, Host)], rounds: usize, progress: &Progress) -> Vec<Measured> {
    let logins = [Login::Base, Login::Limit, Login::Later, Login::Peer];
    measure(&cases(hosts, &logins, MOST_OF_PEER), rounds, progress)
}

/// Each kind of login on each host.
pub fn cases<'h>(
    hosts: &'h [(usize, Host)],
    logins: &[Login],
    most_of_peer: usize,
) -> Vec<Case<'h>> {
    let mut cases = Vec::new();
    for (size, host) in hosts {
        let is_measured =
            |login: &&Login| !login.is_of_peer() || (*size <= most_of_peer && host.has_peer());
        for login in logins.iter().filter(is_measured) {
            cases.push(Case {
                host,
                size: *size,
                login: *login,
            });
        }
    }
    cases
}
