//! Certificates and keys, read from their files into ureq's settings.
//!
//! Weakens verification only on request.

use std::fs;
use std::path::Path;

use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use super::TlsOptions;
use crate::error::{BadInput, unusable};

/// The flags that name the files, as in errors.
const CA_FILE: &str = "--ca-file or SSL_CERT_FILE";
const CLIENT_CERT: &str = "--client-cert";
const CLIENT_KEY: &str = "--client-key";

/// Returns ureq's TLS settings for `options`; the bundled roots where no file is named.
///
/// # Errors
/// When a file cannot be read, or holds no certificate or no key.
pub(super) fn config(options: &TlsOptions) -> Result<TlsConfig, BadInput> {
    let roots = match &options.ca_file {
        Some(path) => RootCerts::new_with_certs(&certificates(CA_FILE, path)?),
        None => RootCerts::WebPki,
    };
    let client_cert = match &options.client_cert {
        Some((chain, key)) => {
            let chain = certificates(CLIENT_CERT, chain)?;
            Some(ClientCert::new_with_certs(&chain, private_key(key)?))
        }
        None => None,
    };
    Ok(TlsConfig::builder()
        .root_certs(roots)
        .client_cert(client_cert)
        .disable_verification(options.insecure_skip_verify)
        .build())
}

fn certificates(flag: &str, path: &Path) -> Result<Vec<Certificate<'static>>, BadInput> {
    let mut certificates = Vec::new();
    for item in parse_pem(&read(flag, path)?) {
        if let PemItem::Certificate(certificate) =
            item.map_err(|_| bad_file(flag, path, "is not PEM"))?
        {
            certificates.push(certificate);
        }
    }
    match certificates.is_empty() {
        true => Err(bad_file(flag, path, "holds no certificate in PEM form")),
        false => Ok(certificates),
    }
}

fn private_key(path: &Path) -> Result<PrivateKey<'static>, BadInput> {
    let problem = "holds no unencrypted private key in PEM form";
    PrivateKey::from_pem(&read(CLIENT_KEY, path)?).map_err(|_| bad_file(CLIENT_KEY, path, problem))
}

fn read(flag: &str, path: &Path) -> Result<Vec<u8>, BadInput> {
    fs::read(path).map_err(|error| bad_file(flag, path, &format!("cannot be read: {error}")))
}

fn bad_file(flag: &str, path: &Path, problem: &str) -> BadInput {
    unusable(problem, "name a PEM file that can be read").at(flag, Some(&path.to_string_lossy()))
}
