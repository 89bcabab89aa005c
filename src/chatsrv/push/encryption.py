"""Message encryption for Web Push (RFC 8291), with the content coding aes128gcm (RFC 8188) in one record."""

import hashlib
import hmac
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

RECORD_BYTES: Final = 4096
"""What every push service has to take (RFC 8030, section 7.2)."""

_HEAD_BYTES: Final = 16 + 4 + 1 + 65
_OVERHEAD_BYTES: Final = 1 + 16
"""The delimiter after the text, and the authentication tag."""

MAX_TEXT_BYTES: Final = RECORD_BYTES - _HEAD_BYTES - _OVERHEAD_BYTES
PADDED_BYTES: Final = 1024
"""Texts are padded to a multiple of this, so that their length says nothing of what somebody wrote."""

_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the curve P-256: private keys are from 1 to one less."""


def private_key(random_bytes: bytes) -> ec.EllipticCurvePrivateKey:
    """Return a private key of P-256 that follows from 32 random bytes."""
    return ec.derive_private_key(int.from_bytes(random_bytes, "big") % (_ORDER - 1) + 1, ec.SECP256R1())


def public_point(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the public key of a private one: a point that is not compressed, 65 bytes."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def is_point(data: bytes) -> bool:
    """Whether these bytes are a public key of P-256."""
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), data)
    except ValueError:
        return False
    return len(data) == 65


def _derive(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """HKDF with SHA-256 (RFC 5869) for up to 32 bytes."""
    extracted = hmac.digest(salt, secret, hashlib.sha256)
    return hmac.digest(extracted, info + b"\x01", hashlib.sha256)[:length]


def encrypt(
    text: bytes, device_point: bytes, auth: bytes, key: ec.EllipticCurvePrivateKey, salt: bytes, *, padded: bool = True
) -> bytes:
    """Return the body of a push message for the device with this public key and secret.

    text: at most MAX_TEXT_BYTES. key: made for this message alone. salt: 16 random bytes. Raises ValueError for a
    `device_point` that is none.
    """
    assert len(text) <= MAX_TEXT_BYTES
    device = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), device_point)
    point = public_point(key)
    shared = _derive(key.exchange(ec.ECDH(), device), auth, b"WebPush: info\0" + device_point + point, 32)
    content_key = _derive(shared, salt, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derive(shared, salt, b"Content-Encoding: nonce\0", 12)
    fill = min(-len(text) % PADDED_BYTES, MAX_TEXT_BYTES - len(text)) if padded else 0
    sealed = AESGCM(content_key).encrypt(nonce, text + b"\x02" + bytes(fill), None)
    return salt + RECORD_BYTES.to_bytes(4, "big") + bytes([len(point)]) + point + sealed
