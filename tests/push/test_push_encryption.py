"""Encryption and signatures of Web Push, against the vectors of their RFCs and by other means than the server's own."""

import json

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from support.push_kit import Device, unbase64

from chatsrv.push.encryption import (
    MAX_TEXT_BYTES,
    PADDED_BYTES,
    RECORD_BYTES,
    encrypt,
    is_point,
    private_key,
    public_point,
)
from chatsrv.push.vapid import TOKEN_SECONDS, VapidSigner

DEVICE_POINT = unbase64("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4")
AUTH = unbase64("BTBZMqHH6r4Tts7J_aSIgg")
SENDER = ec.derive_private_key(
    int.from_bytes(unbase64("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"), "big"), ec.SECP256R1()
)
SENDER_POINT = unbase64("BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8")
BODY = unbase64(
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl"
    "95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)
"""RFC 8291, section 5 and appendix A."""


def test_the_example_of_rfc_8291() -> None:
    assert public_point(SENDER) == SENDER_POINT
    salt = unbase64("DGv6ra1nlYgDCS1FRnbzlw")
    text = b"When I grow up, I want to be a watermelon"
    assert encrypt(text, DEVICE_POINT, AUTH, SENDER, salt, padded=False) == BODY


@pytest.mark.parametrize("length", [0, 1, 1023, 1024, 1025, 3000, MAX_TEXT_BYTES])
def test_a_device_decrypts_texts_of_any_length(length: int) -> None:
    device = Device()
    text = b"x" * length
    body = encrypt(text, device.point, device.auth, private_key(bytes(32)), bytes(16))
    assert device.decrypt(body) == text
    assert len(body) <= RECORD_BYTES


def test_the_length_says_nothing_of_the_text() -> None:
    device = Device()
    lengths = {
        len(encrypt(b"x" * length, device.point, device.auth, private_key(bytes(32)), bytes(16)))
        for length in range(1, PADDED_BYTES, 97)
    }
    assert len(lengths) == 1


def test_another_device_decrypts_nothing() -> None:
    device = Device(1)
    body = encrypt(b"secret", device.point, device.auth, private_key(bytes(32)), bytes(16))
    with pytest.raises(InvalidTag):
        Device(2).decrypt(body)


def test_what_is_no_public_key() -> None:
    point = Device().point
    assert is_point(point)
    for wrong in (bytes(65), b"\x04" + bytes(64), point[:-1] + bytes([point[-1] ^ 1]), b"\x02" + point[1:33], b""):
        assert not is_point(wrong)


def test_a_token_is_signed_for_one_service_and_kept_for_half_its_life() -> None:
    signer = VapidSigner(b"\x07" * 32, "mailto:admin@example.org")
    now_ms = 1_790_000_000_000
    header = signer.authorization("https://push.example", now_ms)
    scheme, token, key = header.replace(",", "").split(" ")
    assert scheme == "vapid"
    assert unbase64(key.removeprefix("k=")) == signer.point
    head, claims, signature = token.removeprefix("t=").split(".")
    assert json.loads(unbase64(head)) == {"typ": "JWT", "alg": "ES256"}
    assert json.loads(unbase64(claims)) == {
        "aud": "https://push.example",
        "exp": now_ms // 1000 + TOKEN_SECONDS,
        "sub": "mailto:admin@example.org",
    }
    r, s = (int.from_bytes(half, "big") for half in (unbase64(signature)[:32], unbase64(signature)[32:]))
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), signer.point)
    public.verify(encode_dss_signature(r, s), f"{head}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))
    assert signer.authorization("https://push.example", now_ms + 5 * 3600 * 1000) == header
    assert signer.authorization("https://push.example", now_ms + 7 * 3600 * 1000) != header
    assert signer.authorization("https://push.example", now_ms - 3600 * 1000) != header  # a clock that was set back
    assert signer.authorization("https://other.example", now_ms) != header


def test_without_a_contact_a_token_names_none() -> None:
    token = VapidSigner(b"\x07" * 32, "").authorization("https://push.example", 0)
    assert set(json.loads(unbase64(token.split(".")[1]))) == {"aud", "exp"}
