//! The bed's system log: this process is its syslog daemon.

use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// A message of this process's own, after which everything sent before it has been read.
const MARK: &str = "-- mark --";

pub struct Journal {
    path: PathBuf,
    socket: Arc<UnixDatagram>,
    lines: Arc<Mutex<Vec<String>>>,
    marks: Receiver<()>,
    reader: Option<JoinHandle<()>>,
}

impl Journal {
    /// Binds the log socket of the bed with this pid 1, and reads it from now on.
    pub fn listen(init: u32) -> Self {
        let path = super::root_of(init).join("dev/log");
        let socket = Arc::new(bind_inside(init, &path));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (marked, marks) = channel();
        let (from, into) = (Arc::clone(&socket), Arc::clone(&lines));
        let reader = std::thread::spawn(move || {
            while let Some(line) = receive(&from) {
                if line == MARK {
                    let _ = marked.send(());
                } else {
                    into.lock().expect("no reader panicked").push(line);
                }
            }
        });
        Self {
            path,
            socket,
            lines,
            marks,
            reader: Some(reader),
        }
    }

    /// Every message that was sent before this call, oldest first, as `<PRIORITY>DATE TAG: TEXT`.
    pub fn lines(&self) -> Vec<String> {
        let sender = UnixDatagram::unbound().expect("a socket");
        sender
            .send_to(MARK.as_bytes(), &self.path)
            .expect("the log is read");
        let seen = self.marks.recv_timeout(Duration::from_secs(10));
        seen.expect("the log is read to its end");
        self.lines.lock().expect("no reader panicked").clone()
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// A socket of the bed's network namespace, whose queue is as long as on a machine with systemd.
fn bind_inside(init: u32, path: &Path) -> UnixDatagram {
    let network = File::open(format!("/proc/{init}/ns/net")).expect("a bed has a network");
    let bind = || {
        setns(&network, CloneFlags::CLONE_NEWNET).expect("root may enter it, with one thread");
        UnixDatagram::bind(path).expect("the log socket can be bound")
    };
    let socket = std::thread::scope(|scope| scope.spawn(bind).join());
    let everybody = PermissionsExt::from_mode(0o666);
    std::fs::set_permissions(path, everybody).expect("the log socket is ours");
    socket.expect("binding did not panic")
}

/// The next message; `None` once the socket was shut down.
fn receive(socket: &UnixDatagram) -> Option<String> {
    let mut buffer = [0; 8192];
    let length = socket.recv(&mut buffer).ok().filter(|length| *length > 0)?;
    Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
}
