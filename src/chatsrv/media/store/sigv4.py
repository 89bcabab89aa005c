"""Presigned URLs: AWS Signature Version 4 in the query string, the one way this package speaks to S3.

A URL signed this way needs no header of its own, so the same function serves our own requests and the downloads that
clients make without us. The body is not part of the signature (UNSIGNED-PAYLOAD): TLS and Content-MD5 guard it. The
algorithm is the published one; its published example and botocore's answers are the tests.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

import attrs

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
# Seven days: S3 refuses more.
MAX_EXPIRES: Final = 7 * 24 * 3600


@attrs.frozen
class S3Credentials:
    """Who signs. `session_token` only for temporary credentials. The secrets are kept out of `repr`."""

    access_key: str
    secret_key: str = attrs.field(repr=False)
    session_token: str | None = attrs.field(default=None, repr=False)


def presign(
    method: str,
    endpoint: str,
    path: str,
    *,
    query: Mapping[str, str],
    credentials: S3Credentials,
    region: str,
    expires: int,
    at: float,
) -> str:
    """Return the signed URL for `method` on `endpoint` (scheme://host[:port]) and `path` (starts with `/`, not yet quoted).

    Valid for `expires` seconds (1 to MAX_EXPIRES, else ValueError) from `at` (wall-clock seconds). Only the Host header is
    signed: send exactly the host of the URL.
    """
    if not 1 <= expires <= MAX_EXPIRES:
        raise ValueError(f"expires must be 1 to {MAX_EXPIRES} seconds, not {expires}")
    host = endpoint.partition("://")[2]
    stamp = datetime.fromtimestamp(at, UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    signed = {
        **query,
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{credentials.access_key}/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(expires),
        "X-Amz-SignedHeaders": "host",
    }
    if credentials.session_token is not None:
        signed["X-Amz-Security-Token"] = credentials.session_token
    pairs = sorted((quote(key, safe=""), quote(value, safe="")) for key, value in signed.items())
    canonical_query = "&".join(f"{key}={value}" for key, value in pairs)
    canonical_path = quote(path, safe="/")
    request = f"{method}\n{canonical_path}\n{canonical_query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
    to_sign = f"{_ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{credentials.secret_key}".encode()
    for part in (stamp[:8], region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    return f"{endpoint}{canonical_path}?{canonical_query}&X-Amz-Signature={signature}"
