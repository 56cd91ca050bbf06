//! Private keys: RSA, ECDSA over P-256, Ed25519.

use p256::ecdsa::signature::Signer as _;
use p256::pkcs8::DecodePrivateKey as _;
use rsa::pkcs1::{DecodeRsaPrivateKey as _, EncodeRsaPrivateKey as _, EncodeRsaPublicKey as _};
use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::rand_core::{Infallible, TryCryptoRng, TryRng};
use sha2::Digest as _;

use super::der;
use crate::text_template::exec::Context;

/// SHA-256 of a key and a counter: as secret as the seed of the run, from which the key is.
pub(super) struct Random {
    key: [u8; 32],
    counter: u64,
    block: Vec<u8>,
}

impl Random {
    pub(super) fn new(context: &mut Context<'_>) -> Result<Self, String> {
        let mut key = [0; 32];
        for chunk in key.chunks_mut(8) {
            chunk.copy_from_slice(&context.random_below(u64::MAX)?.to_be_bytes());
        }
        Ok(Self { key, counter: 0, block: Vec::new() })
    }

    pub(super) fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = match self.block.pop() {
                Some(it) => it,
                None => {
                    let mut hash = sha2::Sha256::new();
                    hash.update(self.key);
                    hash.update(self.counter.to_be_bytes());
                    self.counter += 1;
                    self.block = hash.finalize().to_vec();
                    self.block.pop().unwrap_or_default()
                }
            };
        }
    }
}

impl TryRng for Random {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.fill(&mut bytes);
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Random {}

/// A private key.
pub(super) enum Key {
    Rsa(Box<rsa::PrivateKey>),
    Ecdsa(p256::SecretKey),
    /// The seed.
    Ed25519([u8; 32]),
}

const RSA_ENCRYPTION: [u8; 11] = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const SHA256_WITH_RSA: [u8; 11] = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
const EC_PUBLIC_KEY: [u8; 9] = [6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const P256: [u8; 10] = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const ECDSA_WITH_SHA256: [u8; 10] = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];

impl Key {
    pub(super) fn generate(kind: &str, bits: usize, random: &mut Random) -> Result<Self, String> {
        match kind {
            "ecdsa" => loop {
                let mut bytes = [0; 32];
                random.fill(&mut bytes);
                // nearly every number is a key
                if let Ok(key) = p256::SecretKey::from_slice(&bytes) {
                    return Ok(Self::Ecdsa(key));
                }
            },
            "ed25519" => {
                let mut seed = [0; 32];
                random.fill(&mut seed);
                Ok(Self::Ed25519(seed))
            }
            _ => match rsa::PrivateKey::new(random, bits) {
                Ok(key) => Ok(Self::Rsa(Box::new(key))),
                Err(error) => Err(format!("error generating rsa key: {error}")),
            },
        }
    }

    /// Reads PKCS #1, PKCS #8 or SEC 1.
    pub(super) fn from_pem(text: &str) -> Result<Self, String> {
        let (kind, bytes) = der::from_pem(text).ok_or_else(|| "no PEM data in input".to_owned())?;
        match kind.as_str() {
            "PRIVATE KEY" => {
                if let Ok(key) = rsa::PrivateKey::from_pkcs8_der(&bytes) {
                    return Ok(Self::Rsa(Box::new(key)));
                }
                p256::SecretKey::from_pkcs8_der(&bytes)
                    .map(Self::Ecdsa)
                    .map_err(|error| format!("decoding PEM as PKCS#8: {error}"))
            }
            "RSA PRIVATE KEY" => rsa::PrivateKey::from_pkcs1_der(&bytes)
                .map(|key| Self::Rsa(Box::new(key)))
                .map_err(|error| format!("parsing RSA private key from PEM: {error}")),
            "EC PRIVATE KEY" => p256::SecretKey::from_sec1_der(&bytes)
                .map(Self::Ecdsa)
                .map_err(|error| format!("parsing EC private key from PEM: {error}")),
            other => match other.strip_suffix(" PRIVATE KEY") {
                Some(kind) => Err(format!("invalid private key type {kind}")),
                None => Err(format!("no private key data in PEM block of type {other}")),
            },
        }
    }

    pub(super) fn pem(&self) -> String {
        match self {
            Self::Rsa(key) => match key.to_pkcs1_der() {
                Ok(document) => der::to_pem("RSA PRIVATE KEY", document.as_bytes()),
                Err(error) => format!("failed to generate private key: {error}"),
            },
            Self::Ecdsa(key) => {
                let parts = [
                    der::integer(&[1]),
                    der::element(4, &key.to_bytes()),
                    der::element(0xa0, &P256),
                    der::element(0xa1, &der::bits(&key.public_key().to_sec1_bytes())),
                ];
                der::to_pem("EC PRIVATE KEY", &der::sequence(&parts))
            }
            Self::Ed25519(seed) => {
                let parts = [
                    der::integer(&[0]),
                    der::sequence(&[vec![6, 3, 0x2b, 0x65, 0x70]]),
                    der::element(4, &der::element(4, seed)),
                ];
                der::to_pem("PRIVATE KEY", &der::sequence(&parts))
            }
        }
    }

    /// The bits of the public key, and the element that says what they are.
    pub(super) fn public(&self) -> Result<(Vec<u8>, Vec<u8>), String> {
        let (algorithm, bits) = match self {
            Self::Rsa(key) => {
                let document = key.to_public_key().to_pkcs1_der().map_err(|error| error.to_string())?;
                (vec![RSA_ENCRYPTION.to_vec(), vec![5, 0]], document.as_bytes().to_vec())
            }
            Self::Ecdsa(key) => {
                (vec![EC_PUBLIC_KEY.to_vec(), P256.to_vec()], key.public_key().to_sec1_bytes().to_vec())
            }
            Self::Ed25519(_) => return Err("error creating certificate: an Ed25519 key can not sign here".to_owned()),
        };
        let info = der::sequence(&[der::sequence(&algorithm), der::bits(&bits)]);
        Ok((bits, info))
    }

    /// The element that names the algorithm of its signatures.
    pub(super) fn algorithm(&self) -> Vec<u8> {
        match self {
            Self::Rsa(_) => der::sequence(&[SHA256_WITH_RSA.to_vec(), vec![5, 0]]),
            _ => der::sequence(&[ECDSA_WITH_SHA256.to_vec()]),
        }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let failed = |error: &dyn std::fmt::Display| format!("error creating certificate: {error}");
        match self {
            Self::Rsa(key) => {
                let digest = sha2::Sha256::digest(message);
                key.sign(Pkcs1v15Sign::new::<rsa::sha2::Sha256>(), &digest).map_err(|error| failed(&error))
            }
            Self::Ecdsa(key) => {
                let signer = p256::ecdsa::SigningKey::from(key);
                let signature: p256::ecdsa::DerSignature = signer.try_sign(message).map_err(|error| failed(&error))?;
                Ok(signature.as_bytes().to_vec())
            }
            Self::Ed25519(_) => Err(failed(&"an Ed25519 key can not sign here")),
        }
    }
}
