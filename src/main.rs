//! The `jns` command.
fn main() -> std::process::ExitCode {
    pam_jns::cli::main()
}
