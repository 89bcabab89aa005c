"""Voluntary Application Server Identification (RFC 8292): who posts to a push service, signed for it alone."""

import base64
import json
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from chatsrv.push.encryption import private_key, public_point

TOKEN_SECONDS: Final = 12 * 3600
"""How long a token is good: a push service refuses one of more than 24 hours."""

MAX_TOKENS: Final = 100
"""Push services whose tokens are kept."""


def base64url(data: bytes) -> str:
    """Base64 for URLs, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class VapidSigner:
    """Signs for push services with the server's key; a token serves for half its life."""

    def __init__(self, scalar: bytes, contact: str) -> None:
        self._key = private_key(scalar)
        self._contact = contact
        self._tokens: dict[str, tuple[int, str]] = {}
        self.point: Final = public_point(self._key)
        """The public key, 65 bytes."""

    def authorization(self, origin: str, now_ms: int) -> str:
        """Return the header Authorization for a request to this origin, `https://host`."""
        now = now_ms // 1000
        expires, token = self._tokens.get(origin, (0, ""))
        if not now + TOKEN_SECONDS // 2 <= expires <= now + TOKEN_SECONDS:
            if len(self._tokens) >= MAX_TOKENS:
                self._tokens.clear()
            expires = now + TOKEN_SECONDS
            token = self._sign(origin, expires)
            self._tokens[origin] = expires, token
        return f"vapid t={token}, k={base64url(self.point)}"

    def _sign(self, origin: str, expires: int) -> str:
        """Return a JSON Web Token, signed with ES256 (RFC 7515)."""
        claims: dict[str, object] = {"aud": origin, "exp": expires}
        if self._contact:
            claims["sub"] = self._contact
        head = base64url(b'{"typ":"JWT","alg":"ES256"}')
        signed = f"{head}.{base64url(json.dumps(claims, separators=(',', ':')).encode())}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"
