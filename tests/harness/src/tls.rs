//! Certificates, and clients that present one: a certificate authority of the test's own, with workloads and servers that it vouches for.

use std::sync::Arc;

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};

use crate::{Context as _, Result};

/// The name that servers' certificates are for.
pub const SERVER: &str = "localhost";

/// A certificate authority.
#[derive(Debug)]
pub struct Authority {
    issuer: rcgen::Issuer<'static, KeyPair>,
    certificate: String,
}

/// A certificate with its key, both PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl Identity {
    /// SHA-256 of the certificate in DER: what tokens are bound to (RFC 8705 §3.1).
    ///
    /// # Errors
    /// When it is not one certificate in PEM.
    pub fn sha256(&self) -> Result<[u8; 32]> {
        let der = CertificateDer::from_pem_slice(self.certificate.as_bytes())
            .context(|| "cannot read a certificate".to_owned())?;
        let digest = ring::digest::digest(&ring::digest::SHA256, &der);
        digest.as_ref().try_into().context(|| "SHA-256 has 32 bytes".to_owned())
    }
}

impl Authority {
    /// A new one, which nobody else trusts.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new() -> Result<Self> {
        let failed = || "cannot make a certificate authority".to_owned();
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "regionguard test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().context(failed)?;
        let certificate = params.self_signed(&key).context(failed)?.pem();
        let issuer = rcgen::Issuer::new(params, key);
        Ok(Self { issuer, certificate })
    }

    /// A client's certificate with these URIs (and one DNS name) as its names.
    ///
    /// # Errors
    /// When a URI is not ASCII, or no key can be made.
    pub fn workload(&self, uris: &[&str]) -> Result<Identity> {
        let uris = uris.iter().map(|uri| {
            let uri = Ia5String::try_from(*uri).context(|| format!("not ASCII: `{uri}`"))?;
            Ok(SanType::URI(uri))
        });
        self.issue(uris.collect::<Result<_>>()?, ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// Its own certificate, PEM: for those who trust it.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.certificate
    }

    /// A server's certificate, for `localhost`.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn server(&self) -> Result<Identity> {
        self.issue(Vec::new(), ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// The transport socket of a listener with a certificate of this authority, which validates client certificates against it.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn listener(&self, client_certificates: ClientCertificates) -> Result<Value> {
        let server = self.server()?;
        let mut context = json!({
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "require_client_certificate": client_certificates == ClientCertificates::Required,
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_certificates": [{
                    "certificate_chain": {"inline_string": server.certificate},
                    "private_key": {"inline_string": server.key},
                }],
            },
        });
        if client_certificates != ClientCertificates::Ignored {
            context["common_tls_context"]["validation_context"] =
                json!({"trusted_ca": {"inline_string": self.certificate}});
        }
        Ok(json!({"name": "envoy.transport_sockets.tls", "typed_config": context}))
    }

    /// As [`listener`](Self::listener), which takes certificates of SPIFFE workloads only, each trust domain's from its own authority.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn federation(&self, trust_domains: &[(&str, &Self)]) -> Result<Value> {
        let domains = trust_domains
            .iter()
            .map(|(name, authority)| json!({"name": name, "trust_bundle": {"inline_string": authority.certificate}}));
        let mut socket = self.listener(ClientCertificates::Required)?;
        socket["typed_config"]["common_tls_context"]["validation_context"] = json!({"custom_validator_config": {
            "name": "envoy.tls.cert_validator.spiffe",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig",
                "trust_domains": domains.collect::<Vec<_>>(),
            },
        }});
        Ok(socket)
    }

    /// What a client needs that trusts this authority and presents `identity`.
    ///
    /// # Errors
    /// When the certificate and its key do not fit.
    pub fn client(&self, identity: Option<&Identity>) -> Result<Arc<ClientConfig>> {
        let failed = || "cannot make a TLS client".to_owned();
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.certificate.as_bytes()).context(failed)?)
            .context(failed)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context(failed)?
            .with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).context(failed)?];
                let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).context(failed)?;
                builder.with_client_auth_cert(chain, key).context(failed)?
            }
        };
        Ok(Arc::new(config))
    }

    fn issue(&self, names: Vec<SanType>, purpose: ExtendedKeyUsagePurpose) -> Result<Identity> {
        let failed = || "cannot make a certificate".to_owned();
        let mut params = CertificateParams::new(vec![SERVER.to_owned()]).context(failed)?;
        params.subject_alt_names.extend(names);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().context(failed)?;
        let certificate = params.signed_by(&key, &self.issuer).context(failed)?;
        Ok(Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

/// What a listener does about client certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Each client presents one, and it is validated.
    Required,
    /// A client may present one; what is presented is validated.
    Optional,
    /// None is asked for.
    Ignored,
}
