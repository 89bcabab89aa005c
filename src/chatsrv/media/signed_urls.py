"""Signed URLs: who may fetch which medium, until when, in one parameter that nobody can make or change.

    <user id, 8 bytes> <session id, 8> <expiry in ms, 8> <HMAC-SHA256 over these, the medium's id and the variant, 16>

The key lives as long as the server's process: a URL is good for minutes, and a restart may end it. Several nodes tell each
other theirs, and nothing of them is stored, so a stolen backup makes no tickets. A ticket is not the session's token, gives
no right (that is looked up at every fetch), and ends with its session.
"""

import base64
import hmac
from typing import Final

import attrs

MAX_KEYS_OF_NODES: Final = 256
"""Keys that are remembered, those of nodes that are gone too: the latest."""

_MAC: Final = 16
_BODY: Final = 24


@attrs.frozen(slots=True)
class Bearer:
    """On whose behalf something is fetched, and by which of their sessions."""

    user_id: int
    session_id: int


class Tickets:
    """Makes and checks tickets with `key` (32 random bytes)."""

    def __init__(self, key: bytes) -> None:
        self.key: Final = key
        self._accepted: dict[bytes, None] = {key: None}

    def accept(self, key: bytes) -> None:
        """Take tickets of another node, which signs with this key."""
        self._accepted[key] = None
        if len(self._accepted) > MAX_KEYS_OF_NODES:
            del self._accepted[next(each for each in self._accepted if each != self.key)]

    def make(self, bearer: Bearer, media_id: int, variant: str, expires_ms: int) -> str:
        """Return the ticket for one variant ('file' or 'thumbnail') of a medium."""
        body = b"".join(number.to_bytes(8, "big") for number in (bearer.user_id, bearer.session_id, expires_ms))
        return base64.urlsafe_b64encode(body + _sign(self.key, body, media_id, variant)).decode()

    def check(self, ticket: str, media_id: int, variant: str, now_ms: int) -> Bearer | None:
        """Return whose ticket this is; None for one that is forged, for something else, or expired."""
        try:
            raw = base64.b64decode(ticket.encode("ascii"), altchars=b"-_", validate=True)
        except ValueError:
            return None
        body, mac = raw[:_BODY], raw[_BODY:]
        if len(raw) != _BODY + _MAC or not any(
            hmac.compare_digest(mac, _sign(key, body, media_id, variant)) for key in self._accepted
        ):
            return None
        user_id, session_id, expires_ms = (int.from_bytes(body[at : at + 8], "big") for at in (0, 8, 16))
        return Bearer(user_id, session_id) if now_ms < expires_ms else None


def _sign(key: bytes, body: bytes, media_id: int, variant: str) -> bytes:
    return hmac.digest(key, body + media_id.to_bytes(8, "big") + variant.encode(), "sha256")[:_MAC]
