"""Which extra of the distribution brings a package that is missing: `pip install 'chatsrv[server]'`.

The base is the client library. pyproject.toml lists the extras; a test compares the two.
"""

from importlib.util import find_spec
from typing import Final

EXTRA_OF: Final = {
    "PIL": "media",
    "aiosqlite": "server",
    "argon2": "server",
    "av": "media",
    "click": "cli",
    "cryptography": "server",
    "filetype": "server",
    "h2": "server",
    "hypercorn": "server",
    "platformdirs": "cli",
    "prometheus_client": "server",
    "psycopg": "cluster",
    "rich": "cli",
    "starlette": "server",
    "structlog": "server",
    "textual": "chat",
}
"""The first extra that brings an importable package; what the base brings by its own dependencies is left out."""


def missing(extra: str) -> list[str]:
    """Return the importable packages of an extra that are not installed."""
    return [name for name, brought_by in EXTRA_OF.items() if brought_by == extra and find_spec(name) is None]


def install_advice(module: str | None) -> str | None:
    """Return the sentence about a missing module for a person; None for a module that no extra brings."""
    package = (module or "").partition(".")[0]
    extra = EXTRA_OF.get(package)
    if extra is None:
        return None
    return f"this needs the package {package}, which is not installed: pip install 'chatsrv[{extra}]' ([all] brings everything)"
