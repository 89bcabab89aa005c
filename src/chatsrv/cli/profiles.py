"""Who one is on which server: a token per profile and server, in the user's configuration folder, for them alone.

~/.config/chatsrv/profiles/PROFILE/SERVER.json      mode 0600, in folders of mode 0700
"""

import contextlib
import hashlib
import json
import os
import re
from pathlib import Path
from urllib.parse import quote

import attrs

from chatsrv.cli.errors import Failure, usage

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")


@attrs.frozen(slots=True)
class Credentials:
    """A session that this profile has on a server."""

    name: str
    user_id: int
    token: bytes = attrs.field(repr=False)


def config_folder() -> Path:
    """Return the user's configuration folder of chatsrv."""
    from platformdirs import user_config_path

    return user_config_path("chatsrv", appauthor=False)


def path_of(profile: str, server: str) -> Path:
    """Return where the token of this profile on this server is kept. Raises Failure for a name that cannot be a file's."""
    if not _NAME.fullmatch(profile):
        raise usage("a profile's name has 1 to 64 letters, digits, '.', '_' or '-', and does not start with a dot")
    name = quote(server.rstrip("/"), safe="")
    if len(name) > 150:
        name = hashlib.sha256(server.encode()).hexdigest()
    return config_folder() / "profiles" / profile / f"{name}.json"


def load(profile: str, server: str) -> Credentials | None:
    """Return the session of this profile on this server; None if there is none."""
    path = path_of(profile, server)
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return Credentials(str(stored["name"]), int(stored["user_id"]), bytes.fromhex(stored["token"]))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise Failure(f"{path} is damaged: remove it and log in again") from None


def save(profile: str, server: str, credentials: Credentials) -> None:
    """Keep a session: written whole or not at all, and never readable for others, not even for a moment."""
    path = path_of(profile, server)
    content = {
        "server": server,
        "name": credentials.name,
        "user_id": str(credentials.user_id),
        "token": credentials.token.hex(),
    }
    try:
        write_private(path, content)
    except OSError as error:
        raise Failure(f"the token cannot be kept in {path}: {error.strerror}") from None


def write_private(path: Path, content: dict[str, str]) -> None:
    """Write a file of the profile's: whole or not at all, and never readable for others. Raises OSError."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    _make_private(path.parent)
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file)
    partial.replace(path)


def _make_private(folder: Path) -> None:
    """Make a folder and what is missing above it, all 0700: `mkdir(parents=True)` gives the mode to the last one only."""
    if not folder.is_dir():
        _make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def forget(profile: str, server: str) -> None:
    """Drop a session that is over."""
    with contextlib.suppress(FileNotFoundError):
        path_of(profile, server).unlink()
