"""What a push message says, and its headers."""

import hashlib
import json
from typing import Final

from chatsrv.push.vapid import base64url
from chatsrv_storage.messages.push_notices import PushNotice

TTL_SECONDS: Final = 24 * 3600
"""How long a push service keeps a message for a device that it cannot reach."""


def text_of(notice: PushNotice) -> bytes:
    """Return the JSON that the device decrypts; SubscribePush in the wire specification describes it."""
    fields: dict[str, object] = {
        "group": str(notice.group_id),
        "seq": notice.seq,
        "name": notice.name,
        "count": notice.count,
        "mentions": notice.mentions,
    }
    if notice.subscription.show_text:
        fields |= {"by": notice.by, "text": notice.text}
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def topic_of(notice: PushNotice) -> str:
    """Return the same for each notice of a group to a device, so that the service keeps the latest; says nothing to others."""
    digest = hashlib.blake2b(str(notice.group_id).encode(), key=notice.subscription.auth, digest_size=24).digest()
    return base64url(digest)


def headers_of(notice: PushNotice, authorization: str) -> dict[str, str]:
    """Return the headers of RFC 8030, 8188 and 8292."""
    return {
        "Authorization": authorization,
        "Content-Encoding": "aes128gcm",
        "Content-Type": "application/octet-stream",
        "TTL": str(TTL_SECONDS),
        "Topic": topic_of(notice),
        "Urgency": "high" if notice.is_direct or notice.mentions else "normal",
    }
