//! Postfix with configuration, queue and Maildirs in a folder of the test's own.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpStream,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::running::Running;
use crate::support::{free_port, within};

/// The domain that it has mailboxes in.
pub const DOMAIN: &str = "postfix.test";

/// A Postfix of the test's own; stopped when dropped.
pub struct Postfix {
    running: Running,
    folder: tempfile::TempDir,
    port: u16,
}

/// Without chroot; what it never needs here is left out.
const SERVICES: &str = "
cleanup   unix      n - n - 0 cleanup
qmgr      unix      n - n 300 1 qmgr
rewrite   unix      - - n - - trivial-rewrite
bounce    unix      - - n - 0 bounce
defer     unix      - - n - 0 bounce
trace     unix      - - n - 0 bounce
proxymap  unix      - - n - - proxymap
error     unix      - - n - - error
retry     unix      - - n - - error
virtual   unix      - n n - - virtual
anvil     unix      - - n - 1 anvil
postlog   unix-dgram n - n - 1 postlogd
";

impl Postfix {
    /// Starts it with these mailboxes at [`DOMAIN`]; others there, and other domains, are refused.
    pub fn start(mailboxes: &[&str]) -> Self {
        let who = Command::new("id").args(["-u", "postfix"]).output().expect("id");
        let who = String::from_utf8_lossy(&who.stdout).trim().parse().ok();
        let how =
            "run tests/setup, or apt-get install postfix with the answer \"No configuration\"";
        let who: u32 = who.unwrap_or_else(|| panic!("no Postfix: {how}"));
        let folder = tempfile::Builder::new().prefix("postfix-").tempdir().expect("a folder");
        let mode = |path: &Path, mode: u32| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its mode");
        };
        mode(folder.path(), 0o755);
        for (name, bits) in [("etc", 0o755), ("queue", 0o755), ("data", 0o700), ("mail", 0o777)] {
            let path = folder.path().join(name);
            fs::create_dir(&path).expect("a folder");
            mode(&path, bits);
        }
        chown(folder.path().join("data"), Some(who), None)
            .expect("Postfix gives up rights, so it is started as root");
        let port = free_port();
        let etc = folder.path().join("etc");
        fs::write(etc.join("main.cf"), main_cf(folder.path(), port, mailboxes)).expect("main.cf");
        let services = format!("127.0.0.1:{port} inet n - n - - smtpd{SERVICES}");
        fs::write(etc.join("master.cf"), services).expect("master.cf");

        let log = folder.path().join("log");
        // The queue's folders, and a look at the rest.
        let mut check = Command::new("/usr/sbin/postfix");
        let checked = check.arg("-c").arg(&etc).arg("check").output().expect("postfix");
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
        // Not by `postfix start-fg`: its child would be the server, and stay behind.
        let mut command = Command::new(postconf(&etc, "daemon_directory") + "/master");
        command.arg("-c").arg(&etc).arg("-s");
        let mut running = Running::start(command, &log);
        let said = || fs::read_to_string(&log).unwrap_or_default();
        let greets = || {
            assert!(running.is_running(), "Postfix ended: {}", said());
            let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
            let mut greeting = String::new();
            BufReader::new(stream).read_line(&mut greeting).ok()?;
            assert!(greeting.contains(&name(port)), "{port} is another server's: {greeting}");
            Some(())
        };
        let ready = within(Duration::from_mins(1), greets);
        assert!(ready.is_some(), "Postfix does not get ready: {}", said());
        Self { running, folder, port }
    }

    /// Its port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The mails in a mailbox, oldest first.
    pub fn mails(&self, mailbox: &str) -> Vec<String> {
        let new = self.folder.path().join("mail").join(mailbox).join("new");
        // It is there with the first mail.
        let Ok(files) = fs::read_dir(new) else { return Vec::new() };
        let mut paths: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
        paths.sort();
        paths.iter().map(|path| fs::read_to_string(path).expect("a mail")).collect()
    }

    /// What it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).expect("the log")
    }
}

/// What it calls itself, so that a test knows its own.
fn name(port: u16) -> String {
    format!("own-{}-{port}.{DOMAIN}", std::process::id())
}

fn main_cf(folder: &Path, port: u16, mailboxes: &[&str]) -> String {
    let folder = folder.display();
    let boxes: Vec<_> =
        mailboxes.iter().map(|mailbox| format!("{{ {mailbox}@{DOMAIN} = {mailbox}/ }}")).collect();
    format!(
        "compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = {name}
mydestination =
local_transport = error:no local mail
relay_transport = error:nothing leaves this machine
default_transport = error:nothing leaves this machine
smtpd_relay_restrictions = reject_unauth_destination
smtpd_tls_security_level = none
alias_maps =
virtual_mailbox_domains = {DOMAIN}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = inline:{{ {boxes} }}
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
virtual_minimum_uid = 100
maillog_file = /dev/stdout
maillog_file_prefixes = /dev/stdout
",
        name = name(port),
        boxes = boxes.join(" "),
    )
}

fn postconf(etc: &Path, name: &str) -> String {
    let mut command = Command::new("/usr/sbin/postconf");
    let output = command.arg("-c").arg(etc).args(["-h", name]).output().expect("postconf");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
