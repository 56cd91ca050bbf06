//! X.509 certificates as Sprig makes them: for servers and clients, the common name as subject.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use sha2::Digest as _;

use super::der;
use super::keys::{Key, Random};
use crate::codecs::base64_decode;
use crate::text_template::value::{Object, Val};

/// A certificate and its key, both PEM.
#[derive(Clone)]
pub(super) struct Certificate {
    cert: String,
    key: String,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").field("cert", &self.cert).field("key", &"…").finish()
    }
}

impl Object for Certificate {
    fn type_name(&self) -> &'static str {
        "sprig.certificate"
    }

    fn field(&self, name: &str) -> Option<Val> {
        match name {
            "Cert" => Some(Val::str(&self.cert)),
            "Key" => Some(Val::str(&self.key)),
            _ => None,
        }
    }

    fn display(&self) -> String {
        format!("{{{} {}}}", self.cert, self.key)
    }
}

const UNDECODED: &str = "unable to decode certificate";

impl Certificate {
    /// What another function made.
    pub(super) fn of(value: &Val) -> Result<Self, String> {
        let Val::Object(object) = value else { return Err(UNDECODED.to_owned()) };
        let part = |name: &str| match object.field(name) {
            Some(Val::Str(it)) => Ok(it.to_string()),
            _ => Err(UNDECODED.to_owned()),
        };
        Ok(Self { cert: part("Cert")?, key: part("Key")? })
    }

    /// From base 64 of PEM.
    pub(super) fn custom(cert: &str, key: &str) -> Result<Self, String> {
        let text = |it: &str, what: &str| {
            let bytes = base64_decode(it).map_err(|_| format!("unable to decode base64 {what}"))?;
            String::from_utf8(bytes).map_err(|_| format!("unable to decode base64 {what}"))
        };
        let made = Self { cert: text(cert, "certificate")?, key: text(key, "private key")? };
        made.parts()?;
        Key::from_pem(&made.key).map_err(|error| format!("error parsing private key: {error}"))?;
        Ok(made)
    }

    /// The elements of the signed part, from the version on.
    fn parts(&self) -> Result<Vec<Vec<u8>>, String> {
        let (_, bytes) = der::from_pem(&self.cert).ok_or_else(|| UNDECODED.to_owned())?;
        let malformed = || "error parsing certificate: decodedCert.Bytes: x509: malformed certificate".to_owned();
        let (_, outer, _) = der::read(&bytes).ok_or_else(malformed)?;
        let (_, signed, _) = der::read(outer).ok_or_else(malformed)?;
        let parts = der::elements(signed).ok_or_else(malformed)?;
        if parts.len() < 7 || parts[0].first() != Some(&0xa0) {
            return Err(malformed());
        }
        Ok(parts.into_iter().map(<[u8]>::to_vec).collect())
    }
}

/// A certificate to be made.
pub(super) struct Request {
    name: String,
    addresses: Vec<IpAddr>,
    hosts: Vec<String>,
    from: Timestamp,
    until: Timestamp,
    authority: bool,
}

impl Request {
    pub(super) fn new(
        name: &str,
        addresses: &[Val],
        hosts: &[Val],
        now: Timestamp,
        days: i64,
        authority: bool,
    ) -> Result<Self, String> {
        let addresses = addresses
            .iter()
            .map(|it| match it {
                Val::Str(it) => it.parse().map_err(|_| format!("error parsing ip: {it}")),
                other => Err(format!("error parsing ip: {} is not a string", other.display())),
            })
            .collect::<Result<_, _>>()?;
        let hosts = hosts
            .iter()
            .map(|it| match it {
                Val::Str(it) => Ok(it.to_string()),
                other => Err(format!("error processing alternate dns name: {} is not a string", other.display())),
            })
            .collect::<Result<_, _>>()?;
        let until = now
            .checked_add(SignedDuration::from_hours(days.saturating_mul(24).clamp(-1_000_000, 10_000_000)))
            .map_err(|error| error.to_string())?;
        Ok(Self { name: name.to_owned(), addresses, hosts, from: now, until, authority })
    }

    /// Signs it with the key of the issuer, or with its own.
    pub(super) fn sign(
        &self,
        key: &Key,
        issuer: Option<&Certificate>,
        random: &mut Random,
    ) -> Result<Certificate, String> {
        let subject = subject(&self.name);
        let (bits, info) = key.public()?;
        let own = sha2::Sha256::digest(&bits)[..20].to_vec();
        let signer;
        let (signing, issuer_name, issuer_id) = match issuer {
            None => (key, subject.clone(), None),
            Some(issuer) => {
                let parts = issuer.parts()?;
                signer = Key::from_pem(&issuer.key).map_err(|error| format!("error parsing private key: {error}"))?;
                let id = parts.iter().find(|it| it.first() == Some(&0xa3)).and_then(|it| key_id(it));
                (&signer, parts[3].clone(), id)
            }
        };
        let mut serial = [0; 16];
        random.fill(&mut serial);
        let mut extensions = vec![
            extension(15, true, &if self.authority { vec![3, 2, 2, 0xa4] } else { vec![3, 2, 5, 0xa0] }),
            extension(37, false, &der::sequence(&[usage(1), usage(2)])),
            extension(19, true, &der::sequence(&if self.authority { vec![vec![1, 1, 0xff]] } else { Vec::new() })),
        ];
        if self.authority {
            extensions.push(extension(14, false, &der::element(4, &own)));
        }
        if let Some(id) = issuer_id.filter(|_| issuer_name != subject) {
            extensions.push(extension(35, false, &der::sequence(&[der::element(0x80, &id)])));
        }
        if !self.hosts.is_empty() || !self.addresses.is_empty() {
            let mut names: Vec<Vec<u8>> = self.hosts.iter().map(|it| der::element(0x82, it.as_bytes())).collect();
            names.extend(self.addresses.iter().map(|it| match it {
                IpAddr::V4(it) => der::element(0x87, &it.octets()),
                IpAddr::V6(it) => der::element(0x87, &it.octets()),
            }));
            extensions.push(extension(17, false, &der::sequence(&names)));
        }
        let signed = der::sequence(&[
            der::element(0xa0, &der::integer(&[2])),
            der::integer(&serial),
            signing.algorithm(),
            issuer_name,
            der::sequence(&[time(self.from), time(self.until)]),
            subject,
            info,
            der::element(0xa3, &der::sequence(&extensions)),
        ]);
        let signature = signing.sign(&signed)?;
        let cert = der::sequence(&[signed, signing.algorithm(), der::bits(&signature)]);
        Ok(Certificate { cert: der::to_pem("CERTIFICATE", &cert), key: key.pem() })
    }
}

/// A name of one part, the common name.
fn subject(name: &str) -> Vec<u8> {
    if name.is_empty() {
        return der::sequence(&[]);
    }
    let printable = name.chars().all(|it| it.is_ascii_alphanumeric() || " '()+,-./:=?".contains(it));
    let text = der::element(if printable { 0x13 } else { 0x0c }, name.as_bytes());
    der::sequence(&[der::element(0x31, &der::sequence(&[vec![6, 3, 0x55, 4, 3], text]))])
}

fn time(at: Timestamp) -> Vec<u8> {
    let text = at.strftime("%Y%m%d%H%M%SZ").to_string();
    match text.get(..4).and_then(|it| it.parse::<u16>().ok()) {
        Some(1950..2050) => der::element(0x17, &text.as_bytes()[2..]),
        _ => der::element(0x18, text.as_bytes()),
    }
}

/// An extension of the arc 2.5.29.
fn extension(id: u8, critical: bool, value: &[u8]) -> Vec<u8> {
    let mut parts = vec![vec![6, 3, 0x55, 0x1d, id]];
    if critical {
        parts.push(vec![1, 1, 0xff]);
    }
    parts.push(der::element(4, value));
    der::sequence(&parts)
}

/// Server authentication is 1, client authentication 2.
fn usage(id: u8) -> Vec<u8> {
    vec![6, 8, 0x2b, 6, 1, 5, 5, 7, 3, id]
}

/// The subject key identifier among extensions.
fn key_id(extensions: &[u8]) -> Option<Vec<u8>> {
    let (_, wrapped, _) = der::read(extensions)?;
    let (_, list, _) = der::read(wrapped)?;
    for extension in der::elements(list)? {
        let (_, content, _) = der::read(extension)?;
        let parts = der::elements(content)?;
        if parts.first() == Some(&[6, 3, 0x55, 0x1d, 14].as_slice()) {
            let (_, value, _) = der::read(parts.last()?)?;
            let (_, id, _) = der::read(value)?;
            return Some(id.to_vec());
        }
    }
    None
}
