"""`chatsrv.media.store.names` and `errors`: hostile names, and that every error can be shown."""

import errno

import pytest

from chatsrv.media.errors import MediaCode, MediaError, from_os_error
from chatsrv.media.store.names import content_disposition, display_name
from chatsrv_protocol.limits import MAX_FILE_NAME


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("cat.jpg", "cat.jpg"),
        ("猫.jpg", "猫.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\cat.jpg", "cat.jpg"),
        ("", "file"),
        ("..", "file"),
        ("/", "file"),
        ("a\0b\r\nc", "abc"),
        ("gpj.\u202eexe", "gpj.exe"),
        ("\ud800x", "x"),
        ("x" * 5000, "x" * MAX_FILE_NAME),
        ("x" * 5000 + ".jpeg", "x" * (MAX_FILE_NAME - 5) + ".jpeg"),
        (".bashrc", ".bashrc"),
        (" ..hidden. ", "..hidden"),
        ("می\u200cخواهم.txt", "می\u200cخواهم.txt"),
        ("\U0001f469\u200d\U0001f680.png", "\U0001f469\u200d\U0001f680.png"),
        ("\u200d.\u200c", "file"),
        ("x." + "y" * 5000, ("x." + "y" * 5000)[:MAX_FILE_NAME]),
    ],
)
def test_display_names(name, shown):
    assert display_name(name) == shown
    header = content_disposition(name)
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2
    assert header.startswith("attachment; ")


def test_content_disposition():
    assert content_disposition('a"; b=猫.jpg', inline=True) == (
        "inline; filename=\"a__ b__.jpg\"; filename*=UTF-8''a%22%3B%20b%3D%E7%8C%AB.jpg"
    )


def test_errors_are_for_people():
    for code in MediaCode:
        error = MediaError(code)
        assert error.sentence.endswith(".")
        assert error.field
        assert str(error) == f"{code}: {error.sentence}"


def test_a_full_disk_has_three_names():
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        assert from_os_error(OSError(number, "/secret/path")).code is MediaCode.STORAGE_FULL
    assert "secret" not in str(from_os_error(OSError(errno.EIO, "/secret/path")))
