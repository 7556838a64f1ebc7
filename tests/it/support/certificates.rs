//! Certificates of a test's own, made by the `openssl` command, once for all tests.
//!
//! Where there is no `openssl`, `certificates` says so aloud and returns None; with CI=true
//! it panics.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use super::folder::Folder;
use super::skip;

/// A folder of certificates and keys: `NAME.pem` and `NAME.key`.
pub(crate) struct Certificates(Folder);

/// Names and their validity; all but the authorities themselves are signed by one.
const LEAVES: [Leaf; 6] = [
    Leaf { name: "server", san: "IP:127.0.0.1,DNS:localhost", ..VALID },
    Leaf { name: "elsewhere", san: "DNS:elsewhere.example", ..VALID },
    Leaf { name: "expired", from: "20200101000000Z", to: "20200201000000Z", ..VALID },
    Leaf { name: "not-yet", from: "20900101000000Z", to: "20910201000000Z", ..VALID },
    Leaf { name: "client", usage: "clientAuth", ..VALID },
    Leaf { name: "other-client", usage: "clientAuth", authority: "other-ca", ..VALID },
];

const VALID: Leaf = Leaf {
    name: "",
    san: "IP:127.0.0.1",
    usage: "serverAuth",
    authority: "ca",
    from: "20200101000000Z",
    to: "20900101000000Z",
};

struct Leaf {
    name: &'static str,
    san: &'static str,
    usage: &'static str,
    authority: &'static str,
    from: &'static str,
    to: &'static str,
}

/// `openssl ca` is the one command of OpenSSL 3.0 that takes a time in the past.
const CONFIG: &str = "[ca]\ndefault_ca = here\n[here]\ndatabase = index\nserial = serial\n\
    new_certs_dir = .\ndefault_md = sha256\npolicy = any\nunique_subject = no\n[any]\n\
    commonName = supplied\n[req]\ndistinguished_name = name\n[name]\n";

/// Returns the certificates, made at the first call.
pub(crate) fn certificates() -> Option<&'static Certificates> {
    static CERTIFICATES: OnceLock<Option<Certificates>> = OnceLock::new();
    let made = CERTIFICATES.get_or_init(|| match Command::new("openssl").arg("version").output() {
        Ok(_) => Some(Certificates::make()),
        Err(_) => None,
    });
    if made.is_none() {
        skip("certificates: there is no openssl command");
    }
    made.as_ref()
}

impl Certificates {
    fn make() -> Certificates {
        let made = Certificates(Folder::new());
        made.0.write("config", CONFIG);
        made.0.write("index", "");
        made.0.write("serial", "01\n");
        for name in ["ca", "other-ca"] {
            let request = format!("req -config config -x509 -days 10 -subj /CN={name} {NEW_KEY}");
            made.openssl(&format!(
                "{request} -keyout {name}.key -out {name}.pem \
                 -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign"
            ));
        }
        for leaf in LEAVES {
            let Leaf { name, san, usage, authority, from, to } = leaf;
            let extensions = format!(
                "subjectAltName={san}\nbasicConstraints=CA:FALSE\nextendedKeyUsage={usage}\n"
            );
            made.0.write(&format!("{name}.ext"), extensions);
            made.openssl(&format!(
                "req -config config -new -subj /CN={name} {NEW_KEY} \
                 -keyout {name}.key -out {name}.csr"
            ));
            made.openssl(&format!(
                "ca -config config -batch -notext -in {name}.csr -out {name}.pem \
                 -cert {authority}.pem -keyfile {authority}.key -extfile {name}.ext \
                 -startdate {from} -enddate {to}"
            ));
        }
        made.openssl("pkcs8 -topk8 -in client.key -out encrypted.key -passout pass:secret");
        made
    }

    /// Runs `openssl` in the folder.
    #[track_caller]
    pub(crate) fn openssl(&self, args: &str) {
        let output = Command::new("openssl")
            .args(args.split_whitespace())
            .current_dir(self.0.path())
            .output()
            .expect("there is openssl");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {args}\n{errors}");
    }

    /// Returns the path of a file.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        assert!(path.is_file(), "{}", path.display());
        path
    }

    /// Returns the path of a file as it is typed.
    pub(crate) fn typed(&self, name: &str) -> String {
        self.path(name).to_str().expect("the path is UTF-8").to_owned()
    }

    /// Returns a server's settings: its certificate, whose client certificates it requires, and
    /// the versions that it speaks.
    pub(crate) fn server(
        &self,
        name: &str,
        client_authority: Option<&str>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .expect("versions that rustls has");
        let builder = match client_authority {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(self.read(authority)).expect("a certificate");
                let roots = Arc::new(roots);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                builder.with_client_cert_verifier(verifier.build().expect("a root"))
            }
        };
        let key = PrivateKeyDer::from_pem_file(self.path(&format!("{name}.key"))).expect("a key");
        let config = builder.with_single_cert(vec![self.read(name)], key);
        Arc::new(config.expect("certificate and key are a pair"))
    }

    fn read(&self, name: &str) -> CertificateDer<'static> {
        let path = self.path(&format!("{name}.pem"));
        CertificateDer::from_pem_file(path).expect("a certificate")
    }

    /// Returns the content of a file.
    pub(crate) fn content(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("it is text")
    }

    /// Returns their folder.
    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }
}

const NEW_KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
