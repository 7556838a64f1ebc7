//! Certificates and keys, read from their files into ureq's settings.
//!
//! Never weakens verification unless it was asked to.

use std::fs;
use std::path::Path;

use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use super::TlsOptions;
use crate::error::Error;

/// Returns ureq's TLS settings for `options`; the bundled roots where no file is named.
///
/// # Errors
/// When a file cannot be read, or holds no certificate or no key.
pub(super) fn config(options: &TlsOptions) -> Result<TlsConfig, Error> {
    let roots = match &options.ca_file {
        Some(path) => RootCerts::new_with_certs(&certificates(path)?),
        None => RootCerts::WebPki,
    };
    let client_cert = match &options.client_cert {
        Some((chain, key)) => {
            Some(ClientCert::new_with_certs(&certificates(chain)?, private_key(key)?))
        }
        None => None,
    };
    Ok(TlsConfig::builder()
        .root_certs(roots)
        .client_cert(client_cert)
        .disable_verification(options.insecure_skip_verify)
        .build())
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, Error> {
    let mut certificates = Vec::new();
    for item in parse_pem(&read(path)?) {
        match item {
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
            Ok(_) => {}
            Err(error) => return Err(unusable(path, &format!("it is not PEM ({error})"))),
        }
    }
    if certificates.is_empty() {
        return Err(unusable(path, "it holds no certificate in PEM form"));
    }
    Ok(certificates)
}

fn private_key(path: &Path) -> Result<PrivateKey<'static>, Error> {
    PrivateKey::from_pem(&read(path)?)
        .map_err(|_| unusable(path, "it holds no unencrypted private key in PEM form"))
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::File {
        doing: "read the certificates in",
        path: path.to_owned(),
        source,
        way_out: "name a PEM file that can be read",
    })
}

fn unusable(path: &Path, problem: &str) -> Error {
    Error::Tls { path: path.to_owned(), problem: problem.to_owned() }
}
