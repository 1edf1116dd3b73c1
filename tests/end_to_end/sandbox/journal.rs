//! The sandbox's system log: this process is its syslog daemon.

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
    /// Binds the log socket and reads it from now on.
    pub fn listen(path: &Path) -> Self {
        let socket = Arc::new(UnixDatagram::bind(path).expect("the log socket can be bound"));
        let everybody = PermissionsExt::from_mode(0o666);
        std::fs::set_permissions(path, everybody).expect("the log socket is ours");
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
            path: path.to_path_buf(),
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
        let seen = self.marks.recv_timeout(Duration::from_secs(100));
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

/// The next message; `None` once the socket was shut down.
fn receive(socket: &UnixDatagram) -> Option<String> {
    let mut buffer = [0; 8192];
    let length = socket.recv(&mut buffer).ok().filter(|length| *length > 0)?;
    Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
}
