"""What is loaded: a server of our own on a fresh town, a floor, or a server that runs elsewhere."""

import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from bench.data.dataset import Town, build
from bench.scenarios.conversation import Usage
from bench.workers.control import Child, usage_of
from chatsrv.auth.passwords import PasswordHasher
from chatsrv.config import Config

SETTINGS: dict[str, Any] = {
    "password_time": 1,
    "password_memory": 8,
    "max_connections": 100_000,
    "heartbeat": 3600.0,
    "handshake_timeout": 60.0,
    "max_group_members": 100_000,
    "log_level": "error",
    **dict.fromkeys(("messages_per_second", "changes_per_second", "hints_per_second", "address_per_second"), 0),
    **dict.fromkeys(("searches_per_second", "lookups_per_second", "bytes_per_second", "bytes_per_day"), 0),
}
"""Quick password hashes (each costs 219 ms by default), silent listeners, groups beyond 500, and nobody is too fast; nor
too slow to log in: where the load opens a hundred connections at a time, it is the load that the last of them wait for."""

STORM: dict[str, Any] = {"handshake_timeout": Config().handshake_timeout}
"""Where logins are what is measured, the server's own patience counts."""


@attrs.frozen(slots=True)
class Target:
    """Where it listens, what it uses, who lives there, and where media go (if they may)."""

    url: str
    usage: Usage
    town: Town
    http: str = ""


def nothing_known() -> dict[str, Any]:
    """Return the usage of a server on another machine."""
    return {"pid": 0, "at": 0.0, "cpu": 0.0, "system": 0.0, "threads": {}, "rss": 0, "peak": 0}


@contextmanager
def server(
    people: int,
    shapes: Sequence[tuple[int, ...]],
    *,
    transport: str = "tcp",
    settings: dict[str, Any] | None = None,
    missed: int = 0,
    operator: bool = False,
    elsewhere: "Elsewhere | None" = None,
) -> Generator[Target]:
    """Open a server in a child process, durable, on a data folder of its own; or the one named, with its own town."""
    if elsewhere is not None:
        pid = elsewhere.pid
        yield Target(elsewhere.url, nothing_known if pid is None else lambda: usage_of(pid), elsewhere.town)
        return
    with tempfile.TemporaryDirectory(prefix="chatsrv-bench-") as name:
        folder = Path(name)
        cost = {**SETTINGS, **(settings or {})}
        password = PasswordHasher(cost["password_time"], cost["password_memory"], 0)
        town = build(folder / "data", people, shapes, missed=missed, operator=operator, password=password)
        with start(folder, transport, settings) as child:
            urls = {url.partition(":")[0]: url for url in child.hear()["urls"]}
            yield Target(urls[transport], lambda: child.ask({}), town, urls.get("http", ""))


def start(folder: Path, transport: str, settings: dict[str, Any] | None = None) -> Child:
    """Return the server's process on the data in a folder; hear its URLs next."""
    wanted: dict[str, Any] = {**SETTINGS, **(settings or {}), "data": str(folder / "data"), transport: "127.0.0.1:0"}
    if transport in ("tls", "wss"):
        wanted |= certificate(folder)
    return Child("bench.workers.server", wanted)


@contextmanager
def floor(town: Town, *, each: bool) -> Generator[Target]:
    """Open a floor in a child process."""
    with Child("bench.workers.baseline", {"each": each}) as child:
        yield Target(child.hear()["urls"][0], lambda: child.ask({}), town)


@attrs.frozen(slots=True)
class Elsewhere:
    """A server that somebody else started, on a data folder made by `python -m bench prepare`."""

    url: str
    town: Town
    pid: int | None


def certificate(folder: Path) -> dict[str, str]:
    """Return a self-signed certificate; the load does not check it."""
    import trustme

    leaf = trustme.CA().issue_cert("127.0.0.1")
    leaf.private_key_pem.write_to_path(folder / "key.pem")
    for number, blob in enumerate(leaf.cert_chain_pems):
        blob.write_to_path(folder / "cert.pem", append=number > 0)
    return {"tls_cert": str(folder / "cert.pem"), "tls_key": str(folder / "key.pem")}
