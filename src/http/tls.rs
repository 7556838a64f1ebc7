//! Certificates and keys, read from their files into ureq's settings.
//!
//! Never weakens verification unless it was asked to.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use super::TlsOptions;
use crate::error::BadInput;

/// The flags that name the files, as in errors.
const CA_FILE: &str = "--ca-file or SSL_CERT_FILE";
const CLIENT_CERT: &str = "--client-cert";
const CLIENT_KEY: &str = "--client-key";
/// Largest file: many times what a host's own bundle has.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

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
        match item {
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
            Ok(_) => {}
            Err(_) => return Err(unusable(flag, path, "is not PEM")),
        }
    }
    if certificates.is_empty() {
        return Err(unusable(flag, path, "holds no certificate in PEM form"));
    }
    Ok(certificates)
}

fn private_key(path: &Path) -> Result<PrivateKey<'static>, BadInput> {
    PrivateKey::from_pem(&read(CLIENT_KEY, path)?).map_err(|_| {
        unusable(CLIENT_KEY, path, "holds no unencrypted private key in PEM form") //
    })
}

fn read(flag: &str, path: &Path) -> Result<Vec<u8>, BadInput> {
    let mut bytes = Vec::new();
    let read =
        File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    match read {
        Err(error) => Err(unusable(flag, path, &format!("cannot be read: {error}"))),
        Ok(count) if count as u64 > FILE_BYTES_MAX => {
            Err(unusable(flag, path, "is larger than 16 MiB"))
        }
        Ok(_) => Ok(bytes),
    }
}

fn unusable(flag: &str, path: &Path, problem: &str) -> BadInput {
    BadInput::new(flag, Some(&path.to_string_lossy()), problem, "name a PEM file that can be read")
}
