//! Certificates.

use std::{fmt, io, sync::Arc};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

/// How `https` endpoints are trusted, and how this client authenticates itself. All in PEM.
#[derive(Clone)]
pub struct Tls {
    authority: Vec<u8>,
    client: Option<(Vec<u8>, Vec<u8>)>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    /// Returns settings that trust the servers whose certificates these authorities have signed, and no others. Those of the system are not trusted.
    pub fn new(authorities: impl Into<Vec<u8>>) -> Self {
        Self {
            authority: authorities.into(),
            client: None,
        }
    }

    /// Presents a client certificate, for an etcd with `--client-cert-auth`. etcd's gateway takes no user from its common name: add
    /// [`EtcdBuilder::user`](crate::EtcdBuilder::user) if etcd has users.
    pub fn client_certificate(self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        Self {
            client: Some((chain.into(), key.into())),
            ..self
        }
    }

    pub(crate) fn connector(&self) -> io::Result<TlsConnector> {
        let wrong = |what: &str, e: &dyn fmt::Display| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("{what}: {e}"))
        };
        let certificates = |what: &str, pem: &[u8]| {
            let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
            match all {
                Ok(all) if !all.is_empty() => Ok(all),
                Ok(_) => Err(wrong(what, &"there is none")),
                Err(e) => Err(wrong(what, &e)),
            }
        };
        let mut roots = RootCertStore::empty();
        for authority in certificates("certificates of authorities", &self.authority)? {
            let added = roots.add(authority);
            added.map_err(|e| wrong("certificates of authorities", &e))?;
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots);
        let mut config = match &self.client {
            None => config.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = certificates("client's certificate", chain)?;
                let key = PrivateKeyDer::from_pem_slice(key);
                let key = key.map_err(|e| wrong("client's key", &e))?;
                let config = config.with_client_auth_cert(chain, key);
                config.map_err(|e| wrong("client's certificate and key", &e))?
            }
        };
        // etcd speaks gRPC to those that speak HTTP/2.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsConnector::from(Arc::new(config)))
    }
}
