"""A trial write into a bucket: what is wrong with it in words for the operator, before somebody's upload finds out."""

import base64
import hashlib
import secrets
from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Final

from chatsrv.media.errors import MediaCode, MediaError
from chatsrv.media.store.s3_client import S3Body, S3Client, S3RequestError, TransientError

_CONTENT: Final = b"chatsrv tries whether it may write here, and removes this at once"

# By S3's own code, else by the status of the answer.
_MEANING: Final = {
    "NoSuchBucket": "there is no such bucket",
    "InvalidAccessKeyId": "media_s3_access_key is unknown there",
    "SignatureDoesNotMatch": "media_s3_secret_key does not fit the access key, or a proxy changes the path",
    "AccessDenied": "the access key may not do this there",
    "RequestTimeTooSkewed": "this machine's clock is wrong",
    "AuthorizationHeaderMalformed": "media_s3_region is not the bucket's",
    "AuthorizationQueryParametersError": "media_s3_region is not the bucket's",
    "PermanentRedirect": "media_s3_region or media_s3_addressing is not the bucket's",
    "SecondLevelDomainForbidden": 'this store wants media_s3_addressing = "virtual"',
    "PathStyleRequestNotAllowed": 'this store wants media_s3_addressing = "virtual"',
    str(HTTPStatus.MOVED_PERMANENTLY.value): "media_s3_region or media_s3_addressing is not the bucket's",
    str(HTTPStatus.FORBIDDEN.value): "the access key may not do this there",
    str(HTTPStatus.NOT_FOUND.value): "there is no such bucket, or media_s3_endpoint has another path",
}


async def try_bucket(client: S3Client) -> str | None:
    """Put, look at and delete one small object; answers what is wrong, or None.

    Raises MediaError where the store does not answer, or not now: that says nothing about the settings.
    """
    key = f"trial-{secrets.token_hex(8)}"
    for doing, step in (("written", _put), ("read", _look), ("deleted", S3Client.delete)):
        try:
            await step(client, key)
        except MediaError as error:
            cause = error.__cause__
            if not isinstance(cause, S3RequestError) or isinstance(cause, TransientError):
                raise
            meaning = _MEANING.get(cause.code) or _MEANING.get(str(cause.status)) or "the store refused it"
            answer = f"{cause.status} {cause.code}".strip()
            return f"an object cannot be {doing} in the bucket: {meaning} ({answer})"
    return None


async def _put(client: S3Client, key: str) -> None:
    async def chunks() -> AsyncGenerator[bytes]:
        yield _CONTENT

    md5 = base64.b64encode(hashlib.md5(_CONTENT, usedforsecurity=False).digest()).decode()
    await client.put(key, S3Body(chunks, len(_CONTENT), md5))


async def _look(client: S3Client, key: str) -> None:
    if await client.head(key) != len(_CONTENT):
        raise MediaError(MediaCode.STORAGE_FAILED) from S3RequestError("not what was written", HTTPStatus.NOT_FOUND)
