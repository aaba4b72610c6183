//! Certificates that a setting names.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::limits::MAX_CA_FILE_BYTES;
use crate::regular_file;

/// The text of a file of certificates in PEM, and the certificates: at least one, all of which can be read. `setting`
/// names the file in the error.
pub(super) fn read(setting: &str, file: &Path) -> Result<(String, Vec<CertificateDer<'static>>), String> {
    let wrong = |why: &dyn std::fmt::Display| {
        format!("{setting} {} has no certificates in PEM that can be read: {why}", file.display())
    };
    let text = regular_file::read_text(file, MAX_CA_FILE_BYTES).map_err(|error| wrong(&error))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let found = found.map_err(|error| wrong(&error))?;
    if found.is_empty() {
        return Err(wrong(&"there is none"));
    }
    Ok((text, found))
}
