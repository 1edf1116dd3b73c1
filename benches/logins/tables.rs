//! The results as tables in Markdown.

use crate::MANY_MOUNTS;
use crate::login::Login;
use crate::parallel::AT_ONCE;
use crate::results::{Results, Row};
use std::collections::BTreeSet;

/// What README.md shows: `pam_open_session` by the number of mounts, and what it asks of the kernel.
pub fn summary(results: &Results) -> String {
    let sizes = sizes(&results.mounts);
    let mut header = vec!["login, three private directories".to_owned()];
    header.extend(sizes.iter().map(|size| format!("{size} host mounts")));
    header.extend(["system calls", "new processes"].map(str::to_owned));
    let body = logins(&results.mounts).into_iter().map(|login| {
        let mut cells = vec![login.name().to_owned()];
        cells.extend(
            sizes
                .iter()
                .map(|size| open(find(&results.mounts, *size, login))),
        );
        let calls = results.calls.iter().find(|calls| calls.login == login);
        cells.push(calls.map_or_else(String::new, |calls| calls.open.to_string()));
        cells.push(calls.map_or_else(String::new, |calls| calls.forks.to_string()));
        cells
    });
    table(&header, body)
}

/// Every table, with what each is about.
pub fn all(results: &Results) -> String {
    let sections = [
        about(results),
        section("`pam_open_session`, processor time", &summary(results)),
        section(
            "The whole transaction, processor time",
            &transactions(results),
        ),
        section("Wall-clock time of `pam_open_session`", &wall(results)),
        section("As a line: a + b for each host mount", &lines(results)),
        section("System calls", &calls(results)),
        section("Users who are logged in", &growth(&results.users)),
        section("Processes outside of sessions", &growth(&results.processes)),
        section("Names in each rule", &growth(&results.names)),
        section("Rules", &growth(&results.rules)),
        section("Files of the policy", &growth(&results.files)),
        section(&format!("{AT_ONCE} logins at once"), &parallel(results)),
        section("The host of users who are logged in", &presence(results)),
        section("`jns gc`, processor time", &collections(results)),
        section("Memory of a process", &resident(results)),
        section(
            &format!("Memory of the kernel for a session that lasts, {MANY_MOUNTS} host mounts"),
            &kernel_memory(results),
        ),
        section("Failures", &failures(results)),
    ];
    sections.concat()
}

fn about(results: &Results) -> String {
    let peer = results.pam_namespace.as_deref();
    let peer = peer.map_or_else(
        || "pam_namespace is not installed here, and left out".to_owned(),
        |version| format!("pam_namespace of libpam-modules {version}"),
    );
    format!(
        "Made by `{}` on Linux {}, {} processors; {peer}.\n",
        results.command, results.linux, results.processors
    )
}

/// A section; nothing where its table has no line.
fn section(title: &str, content: &str) -> String {
    match content.lines().count() {
        2 => String::new(),
        _ => format!("\n## {title}\n\n{content}"),
    }
}

/// A table of what a kind of login costs at each size.
fn by_size(rows: &[Row], cell: impl Fn(Option<&Row>) -> String) -> String {
    let sizes = sizes(rows);
    let header = sizes.iter().map(usize::to_string);
    let header: Vec<_> = [String::new()].into_iter().chain(header).collect();
    let body = logins(rows).into_iter().map(|login| {
        let cells = sizes.iter().map(|size| cell(find(rows, *size, login)));
        [login.name().to_owned()].into_iter().chain(cells).collect()
    });
    table(&header, body)
}

fn transactions(results: &Results) -> String {
    by_size(&results.mounts, |row| {
        row.map_or_else(String::new, |row| {
            with_ratio(row.transaction.cpu, row.transaction_ratio)
        })
    })
}

fn wall(results: &Results) -> String {
    by_size(&results.mounts, |row| {
        row.map_or_else(String::new, |row| microseconds(row.open.wall))
    })
}

fn growth(rows: &[Row]) -> String {
    by_size(rows, open)
}

fn open(row: Option<&Row>) -> String {
    row.map_or_else(String::new, |row| match row.login {
        Login::Base => "–".to_owned(),
        _ => with_ratio(row.open.cpu, row.open_ratio),
    })
}

fn lines(results: &Results) -> String {
    let body = results.lines.iter().map(|fit| {
        let each = format!("{:.3} µs", fit.line.each);
        vec![
            fit.login.name().to_owned(),
            microseconds(fit.line.base),
            each,
        ]
    });
    table(&["", "a", "b"], body)
}

fn calls(results: &Results) -> String {
    let body = results.calls.iter().map(|calls| {
        let numbers = [calls.load, calls.open, calls.close, calls.forks];
        let name = calls.login.name().to_owned();
        let numbers = numbers.map(|number| number.to_string());
        [name].into_iter().chain(numbers).collect()
    });
    let header = [
        "",
        "loading, over pam_unix",
        "`pam_open_session`",
        "closing, over pam_unix",
        "new processes",
    ];
    table(&header, body)
}

fn parallel(results: &Results) -> String {
    let body = results.parallel.iter().map(|crowd| {
        let rate = format!("{:.0}", crowd.logins_per_second);
        vec![of_users(crowd.login, crowd.of_many_users), rate]
    });
    table(&["", "logins a second"], body)
}

fn presence(results: &Results) -> String {
    let body = results.presence.iter().map(|presence| {
        vec![
            presence.login.name().to_owned(),
            presence.users.to_string(),
            presence.lines.to_string(),
            with_ratio(presence.mount, presence.ratio),
        ]
    });
    let header = [
        "",
        "users",
        "lines of the host's mount table, over pam_unix",
        "the host mounts and unmounts",
    ];
    table(&header, body)
}

fn collections(results: &Results) -> String {
    let body = results.collections.iter().map(|collection| {
        let costs = [
            collection.noting,
            collection.keeping,
            collection.ending,
            collection.nothing,
        ];
        let costs = costs.map(|cost| format!("{cost:.0} ms"));
        [collection.namespaces, collection.processes]
            .map(|number| number.to_string())
            .into_iter()
            .chain(costs)
            .collect()
    });
    let header = [
        "unused namespaces",
        "processes outside",
        "finds them unused",
        "keeps them",
        "ends them",
        "finds nothing",
    ];
    table(&header, body)
}

fn resident(results: &Results) -> String {
    let body = results.resident.iter().map(|process| {
        let file = process
            .file
            .map_or_else(String::new, |bytes| kibibytes(bytes as f64));
        let (loaded, grown) = (process.loaded as f64, process.grown as f64);
        vec![
            process.login.name().to_owned(),
            file,
            kibibytes(loaded),
            kibibytes(grown),
        ]
    });
    let header = [
        "",
        "the module's file",
        "added by one transaction",
        "by 1000 more",
    ];
    table(&header, body)
}

fn kernel_memory(results: &Results) -> String {
    let body = results.kernel_memory.iter().map(|kernel| {
        let name = of_users(kernel.login, kernel.of_many_users);
        vec![name, kibibytes(kernel.session)]
    });
    table(&["a session that lasts", "over pam_unix"], body)
}

fn failures(results: &Results) -> String {
    let rows = [
        &results.mounts,
        &results.users,
        &results.processes,
        &results.names,
        &results.rules,
        &results.files,
    ];
    let rows = || rows.into_iter().flatten();
    let failed: usize = rows().map(|row| row.failures).sum();
    let logins: usize = rows().map(|row| row.logins).sum();
    format!("{failed} of {} logins.\n", logins + failed)
}

fn of_users(login: Login, of_many_users: bool) -> String {
    let whose = if of_many_users {
        "each another user's"
    } else {
        "all one user's"
    };
    format!("{}, {whose}", login.name())
}

fn with_ratio(cpu: f64, ratio: f64) -> String {
    let digits = if ratio < 10.0 { 2 } else { 0 };
    format!("{}, {ratio:.digits$} ×", microseconds(cpu))
}

fn microseconds(value: f64) -> String {
    match value.abs() {
        ..10_000.0 => format!("{value:.0} µs"),
        _ => format!("{:.0} ms", value / 1000.0),
    }
}

fn kibibytes(bytes: f64) -> String {
    format!("{:.0} KiB", bytes / 1024.0)
}

fn sizes(rows: &[Row]) -> BTreeSet<usize> {
    rows.iter().map(|row| row.size).collect()
}

/// The kinds of login in the order in which they come first.
pub fn logins(rows: &[Row]) -> Vec<Login> {
    let mut logins = Vec::new();
    for row in rows {
        if !logins.contains(&row.login) {
            logins.push(row.login);
        }
    }
    logins
}

fn find(rows: &[Row], size: usize, login: Login) -> Option<&Row> {
    rows.iter()
        .find(|row| row.size == size && row.login == login)
}

fn table(header: &[impl AsRef<str>], body: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: &[&str]| format!("| {} |\n", cells.join(" | "));
    let header: Vec<&str> = header.iter().map(AsRef::as_ref).collect();
    let rule = vec!["---"; header.len()];
    let body = body.map(|cells| line(&cells.iter().map(String::as_str).collect::<Vec<_>>()));
    [line(&header), line(&rule)]
        .into_iter()
        .chain(body)
        .collect()
}
