//! An authority of the test's own, made by openssl, and certificates by it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// An authority; its files are in a folder of the test's.
pub struct Authority(PathBuf);

impl Authority {
    /// Makes one.
    pub fn new(folder: &Path) -> Self {
        fs::create_dir_all(folder).expect("its folder");
        let authority = Self(folder.into());
        authority.openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=authority \
             -keyout ca.key -out ca.pem -addext basicConstraints=critical,CA:true -addext keyUsage=critical,keyCertSign",
        );
        authority
    }

    /// Its own certificate.
    pub fn path(&self) -> PathBuf {
        self.0.join("ca.pem")
    }

    /// A certificate for these names (`DNS:localhost,IP:127.0.0.1`) and its key, in one file.
    pub fn certificate(&self, file: &str, names: &str) -> PathBuf {
        fs::write(self.0.join(format!("{file}.ext")), format!("subjectAltName={names}\n"))
            .expect("its names");
        self.openssl(&format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN={file} -keyout {file}.key -out {file}.csr"
        ));
        self.openssl(&format!(
            "x509 -req -in {file}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile {file}.ext -out {file}.crt"
        ));
        let read = |end: &str| fs::read_to_string(self.0.join(format!("{file}.{end}"))).expect(end);
        let path = self.0.join(format!("{file}.pem"));
        fs::write(&path, read("crt") + &read("key")).expect("the certificate");
        path
    }

    fn openssl(&self, arguments: &str) {
        let arguments = arguments.split_whitespace();
        let mut command = Command::new("openssl");
        let output = command.args(arguments).current_dir(&self.0).output();
        let output = output.expect("no openssl: run tests/setup, or apt-get install openssl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
