//! An nginx that sends each tenant's requests to a receiver of its own, as the gateways in front
//! of shared receivers do: by the header X-Scope-OrgID, and 401 without one.
//!
//! One process, a child of its test, on a loopback port, its files in a folder of its own; never
//! as a service. `scripts/receivers.sh` brings the binary.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::folder::Folder;
use super::real_receiver::{brought, free_address};

const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(5);

/// A running nginx. Dropping it ends the process.
pub(crate) struct Nginx {
    child: Child,
    address: SocketAddr,
    folder: Folder,
}

impl Nginx {
    /// Starts it for these tenants; None, said aloud, when it is not installed.
    pub(crate) fn start(tenants: &[(&str, SocketAddr)]) -> Option<Nginx> {
        let binary = brought("nginx")?;
        let (address, folder) = (free_address(), Folder::new());
        folder.write("nginx.conf", configuration(address, folder.path(), tenants));
        let child = Command::new(binary)
            .arg("-p")
            .arg(folder.path())
            .args(["-c", "nginx.conf", "-e", "error.log"])
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx starts");
        let mut nginx = Nginx { child, address, folder };
        nginx.wait_until_ready();
        Some(nginx)
    }

    /// Returns the base URL, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address).is_err() {
            let log = || std::fs::read_to_string(self.folder.path().join("error.log"));
            let ended = self.child.try_wait().expect("our child can be waited for");
            assert!(ended.is_none() && Instant::now() < deadline, "{ended:?}: {:?}", log());
            thread::sleep(POLL);
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Without a master process there is this one only.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(address: SocketAddr, folder: &Path, tenants: &[(&str, SocketAddr)]) -> String {
    let folder = folder.display();
    let map: String =
        tenants.iter().map(|(tenant, address)| format!("    {tenant} {address};\n")).collect();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("  {kind}_temp_path {folder}/{kind};\n"))
        .collect();
    format!(
        "daemon off;\nmaster_process off;\npid {folder}/pid;\nevents {{}}\nhttp {{\n\
         \x20 access_log off;\n{temporary}\
         \x20 map $http_x_scope_orgid $receiver {{\n{map}  }}\n\
         \x20 server {{\n\
         \x20   listen {address};\n\
         \x20   if ($receiver = '') {{ return 401 'no org id'; }}\n\
         \x20   location / {{ proxy_pass http://$receiver; }}\n\
         \x20 }}\n}}\n"
    )
}
