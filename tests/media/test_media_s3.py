"""`chatsrv.media.store.s3`: signatures, and what a store that is slow, broken or lying does to us. No network here."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
import trio
from support.media_kit import files_in, get, put, settings

from chatsrv.media.errors import MediaCode, MediaError
from chatsrv.media.store import s3, s3_trial, spool
from chatsrv.media.store.s3 import open_s3_store
from chatsrv.media.store.s3_client import S3Client, S3Settings
from chatsrv.media.store.sigv4 import MAX_EXPIRES, S3Credentials, presign

NAME = "ab" * 32


def test_the_published_example():
    url = presign(
        "GET",
        "https://examplebucket.s3.amazonaws.com",
        "/test.txt",
        query={},
        credentials=S3Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        region="us-east-1",
        expires=86400,
        at=1369353600.0,
    )
    assert url.endswith("X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")


@pytest.mark.parametrize("token", [None, "a/b+c=="])
def test_botocore_signs_alike(token):
    auth = pytest.importorskip("botocore.auth", reason="botocore (it comes with moto) is not installed")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials as BotoCredentials

    query = {"response-content-disposition": "attachment; filename=\"a b~é.txt\"; filename*=UTF-8''x", "uploads": ""}
    ours = presign(
        "PUT",
        "http://127.0.0.1:9000",
        "/bucket/a b/é~(1).txt",
        query=query,
        credentials=S3Credentials("AK", "secret", token),
        region="eu-central-1",
        expires=77,
        at=0.0,
    )
    stamp = dict(parse_qsl(urlsplit(ours).query))["X-Amz-Date"]
    signer = auth.S3SigV4QueryAuth(BotoCredentials("AK", "secret", token), "s3", "eu-central-1", expires=77)
    request: Any = AWSRequest("PUT", ours.split("?")[0] + "?" + "&".join(_own(ours)))
    request.context["timestamp"] = stamp
    signer._modify_request_before_signing(request)
    request.url = ours.rsplit("&X-Amz-Signature=", 1)[0]
    theirs = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    assert ours.endswith(f"X-Amz-Signature={theirs}")


def _own(url):
    return [pair for pair in urlsplit(url).query.split("&") if not pair.startswith("X-Amz")]


def test_bounds_and_secrets():
    for expires in (0, MAX_EXPIRES + 1):
        with pytest.raises(ValueError):
            presign(
                "GET", "http://x", "/", query={}, credentials=S3Credentials("a", "b"), region="r", expires=expires, at=0
            )
    assert "hush" not in repr(S3Settings("http://x", "b", S3Credentials("a", "hush", "hush")))
    for bad in ("x", "ftp://x", "http://", "http://x?q", "http://u@x", "http://x//y"):
        with pytest.raises(ValueError):
            S3Settings(bad, "b", S3Credentials("a", "b"))


@pytest.mark.parametrize(
    ("endpoint", "virtual", "begins"),
    [
        ("https://s3.example", False, "https://s3.example/b/p/blobs/"),
        ("https://s3.example/", False, "https://s3.example/b/p/blobs/"),
        ("https://s3.example:9/minio/v1", False, "https://s3.example:9/minio/v1/b/p/blobs/"),
        ("https://s3.example", True, "https://b.s3.example/p/blobs/"),
        ("https://s3.example:9/at", True, "https://b.s3.example:9/at/p/blobs/"),
    ],
)
def test_where_a_bucket_is(endpoint, virtual, begins):
    where = S3Settings(endpoint, "b", S3Credentials("a", "b"), prefix="p/", virtual_host=virtual)
    client = S3Client(where, httpx.AsyncClient(timeout=60), lambda: 0.0)
    url = client.url("GET", "blobs/x")
    assert url.startswith(begins)
    assert client.url("GET", "").partition("?")[0] == begins.removesuffix("p/blobs/").removesuffix("/") + (
        "/" if begins == "https://b.s3.example/p/blobs/" else ""
    )
    signed = presign(
        "GET", where.place()[0], urlsplit(url).path, query={}, credentials=S3Credentials("a", "b"),
        region="us-east-1", expires=900, at=0.0,
    )  # fmt: skip
    assert signed == url
    with pytest.raises(ValueError, match="IP address"):
        S3Settings("http://127.0.0.1:9000", "b", S3Credentials("a", "b"), virtual_host=True)


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([200, 200, 204], None),
        ([(404, "NoSuchBucket")], "written in the bucket: there is no such bucket (404 NoSuchBucket)"),
        ([(403, "SignatureDoesNotMatch")], "media_s3_secret_key"),
        ([(403, "RequestTimeTooSkewed")], "clock is wrong"),
        ([(301, "PermanentRedirect")], "media_s3_region"),
        ([(404, "")], "another path (404)"),
        ([200, (403, "")], "read in the bucket: the access key may not"),
        ([200, 200, (403, "AccessDenied")], "deleted in the bucket: the access key may not"),
    ],
)
async def test_a_trial_says_what_is_wrong(answers, words, tmp_path):
    left = list(answers)
    keys = set()

    async def answer(request):
        keys.add(request.url.path)
        status, code = left[0] if isinstance(left[0], tuple) else (left[0], "")
        left.pop(0)
        size = {"content-length": str(len(s3_trial._CONTENT))} if request.method == "HEAD" and status == 200 else {}
        return httpx.Response(
            status,
            headers=size,
            stream=httpx.ByteStream(f"<Error><Code>{code}</Code></Error>".encode() if code else b""),
        )

    where = settings("http://s3.example", "b")
    async with open_s3_store(where, tmp_path, transport=httpx.MockTransport(answer)) as store:
        wrong = await store.trial()
    assert (wrong is None) if words is None else (wrong is not None and words in wrong), wrong
    assert len(keys) == 1
    assert not left


async def test_a_store_that_does_not_answer_is_no_wrong_setting(tmp_path, autojump_clock):
    async def answer(request):
        raise httpx.ConnectError("refused")

    async with open_s3_store(
        settings("http://s3.example", "b"), tmp_path, transport=httpx.MockTransport(answer)
    ) as store:
        with pytest.raises(MediaError):
            await store.trial()


@pytest.fixture(autouse=True)
def no_threads(monkeypatch):
    """Disk work inline: a virtual clock takes a task that waits for a thread for one that waits for time."""

    async def inline(limiter, function, *args, **kwargs):
        await trio.lowlevel.checkpoint()
        return function(*args, **kwargs)

    monkeypatch.setattr(s3, "in_thread", inline)
    monkeypatch.setattr(spool, "in_thread", inline)


class Scripted:
    """Answers of an S3-speaking server, one per request: a response, an exception, or None for silence."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.seen = []

    async def __call__(self, request):
        self.seen.append((request.method, request.url.path.rpartition("/")[2][:4], await request.aread()))
        answer = self.answers.pop(0)
        if answer is None:
            await trio.sleep_forever()
        if isinstance(answer, Exception):
            raise answer
        if answer.is_stream_consumed:  # made with a body; from the network it comes unread
            return httpx.Response(answer.status_code, headers=answer.headers, stream=httpx.ByteStream(answer.content))
        return answer


def opened(script, tmp_path):
    return open_s3_store(settings("http://s3.test", "b"), tmp_path, transport=httpx.MockTransport(script))


async def refusal(awaitable):
    with pytest.raises(MediaError) as caught:
        await awaitable
    return caught.value.code


@pytest.mark.parametrize("first", [httpx.Response(503), httpx.Response(429), httpx.ConnectError("no"), None])
async def test_a_hiccup_is_tried_again(first, tmp_path, autojump_clock):
    script = Scripted(first, httpx.Response(200))
    async with opened(script, tmp_path) as store:
        await put(store, b"the body is sent anew")
    assert [body for _, _, body in script.seen] == [b"the body is sent anew"] * 2
    assert not files_in(tmp_path)


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ([httpx.Response(500)] * 3, MediaCode.STORAGE_FAILED),
        ([httpx.ConnectError("no")] * 3, MediaCode.STORAGE_FAILED),
        ([None] * 3, MediaCode.STORAGE_TIMEOUT),
        ([httpx.ReadTimeout("slow")] * 3, MediaCode.STORAGE_TIMEOUT),
        ([httpx.Response(403)], MediaCode.STORAGE_FAILED),
        ([httpx.Response(404, text="<Error><Code>NoSuchBucket</Code></Error>")], MediaCode.STORAGE_FAILED),
        ([httpx.Response(307, headers={"location": "http://elsewhere"})], MediaCode.STORAGE_FAILED),
        ([httpx.Response(200, content=bytes(3_000_000))], MediaCode.STORAGE_FAILED),
    ],
)
async def test_a_failing_store_is_a_typed_error_within_a_bound(answers, code, tmp_path, autojump_clock):
    script = Scripted(*answers)
    async with opened(script, tmp_path) as store:
        assert await refusal(put(store, b"x")) is code
    assert not script.answers
    assert trio.current_time() < 400
    assert not files_in(tmp_path)


async def test_a_failed_commit_may_be_tried_again(tmp_path, autojump_clock):
    async with (
        opened(Scripted(httpx.Response(403), httpx.Response(200)), tmp_path) as store,
        await store.begin(max_bytes=1) as writer,
    ):
        await writer.write(b"x")
        assert await refusal(writer.commit()) is MediaCode.STORAGE_FAILED
        assert (await writer.commit()).size == 1


async def test_a_broken_multipart_is_aborted(tmp_path, autojump_clock):
    script = Scripted(
        httpx.Response(200, text="<R xmlns='x'><UploadId>u1</UploadId></R>"),
        httpx.Response(200, headers={"etag": '"1"'}),
        httpx.Response(403),
        httpx.Response(204),
    )
    async with opened(script, tmp_path) as store:
        assert await refusal(put(store, bytes(9 * 1024 * 1024))) is MediaCode.STORAGE_FAILED
    assert [method for method, _, _ in script.seen] == ["POST", "PUT", "PUT", "DELETE"]


async def test_an_error_inside_a_200_is_an_error(tmp_path, autojump_clock):
    failed = [httpx.Response(200, text="<Error><Code>InternalError</Code></Error>") for _ in range(3)]
    create = httpx.Response(200, text="<R><UploadId>u1</UploadId></R>")
    part = [httpx.Response(200, headers={"etag": '"1"'}) for _ in range(2)]
    async with opened(Scripted(create, *part, *failed, httpx.Response(204)), tmp_path) as store:
        assert await refusal(put(store, bytes(9 * 1024 * 1024))) is MediaCode.STORAGE_FAILED


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, headers={"content-length": "5"}, stream=httpx.ByteStream(b"123")),
        httpx.Response(200, headers={"content-length": "2"}, stream=httpx.ByteStream(b"123")),
        httpx.Response(200, stream=httpx.ByteStream(b"123")),
        httpx.Response(206, headers={"content-range": "bytes 0-2/3"}, stream=httpx.ByteStream(b"123")),
    ],
)
async def test_an_answer_that_does_not_fit_is_an_error(answer, tmp_path):
    async with opened(Scripted(answer), tmp_path) as store:
        assert await refusal(get(store, NAME)) is MediaCode.STORAGE_FAILED


@pytest.mark.parametrize("text", ["", "not xml", "<a>", "<a/>"])
async def test_an_answer_that_is_no_xml(text, tmp_path):
    async with opened(Scripted(httpx.Response(200, text=text)), tmp_path) as store:
        assert await refusal(put(store, bytes(9 * 1024 * 1024))) is MediaCode.STORAGE_FAILED
