"""`chatsrv serve`: read the settings, run a server until a signal, say on standard output where it listens.

The first SIGTERM or control-C stops gracefully: clients are told to come back, what is under way is finished and
answered. The second stops at once. Neither loses anything that was acked.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from chatsrv.cli.errors import Failure

if TYPE_CHECKING:
    import trio

    from chatsrv.app import Server
    from chatsrv.config import Config

DEFAULT_TCP: Final = "127.0.0.1:7000"
DEFAULT_WS: Final = "127.0.0.1:7001"

SWITCH_INTERVAL: Final = 0.0005
"""CPython 3.11 lets a busy Trio thread starve the storage thread for seconds with the default of 5 ms."""


def _option(names: str, text: str, metavar: str | None = None, panel: str | None = None) -> typer.models.OptionInfo:
    return typer.Option(*names.split(), help=text, metavar=metavar, show_default=False, rich_help_panel=panel)


def serve(
    *,
    data: Annotated[
        Path | None, _option("--data", "The data folder; made if need be.  [default: your user's data folder]", "DIR")
    ] = None,
    tcp: Annotated[
        str | None, _option("--tcp", "Listen for plain TCP; port 0 means any free one.", "HOST:PORT")
    ] = None,
    ws: Annotated[str | None, _option("--ws", "Listen for WebSockets.", "HOST:PORT")] = None,
    tls: Annotated[str | None, _option("--tls", "Listen for TCP with TLS.", "HOST:PORT")] = None,
    wss: Annotated[str | None, _option("--wss", "Listen for WebSockets with TLS.", "HOST:PORT")] = None,
    tls_cert: Annotated[Path | None, _option("--tls-cert", "The certificate chain, PEM.", "FILE")] = None,
    tls_key: Annotated[Path | None, _option("--tls-key", "The certificate's private key, PEM.", "FILE")] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", envvar="CHATSRV_CONFIG", help="Read settings from a TOML file."),
    ] = None,
    open_registration: Annotated[
        bool | None,
        _option("--open-registration/--no-open-registration", "Anybody may register, not only over loopback."),
    ] = None,
    allow_plaintext: Annotated[
        bool | None,
        _option("--allow-plaintext/--no-allow-plaintext", "Passwords may come unencrypted from other machines."),
    ] = None,
    name: Annotated[str | None, _option("--name", "What the server calls itself.", "TEXT")] = None,
    origins: Annotated[
        str | None, _option("--origins", "Web origins whose pages may connect, with commas between.", "LIST")
    ] = None,
    trusted_proxies: Annotated[
        str | None, _option("--trusted-proxies", "Reverse proxies whose X-Forwarded-For is believed.", "LIST")
    ] = None,
    max_connections: Annotated[int | None, _option("--max-connections", "Connections altogether.", "N")] = None,
    max_connections_per_address: Annotated[
        int | None, _option("--max-connections-per-address", "Connections from one address that is not loopback.", "N")
    ] = None,
    max_group_members: Annotated[
        int | None, _option("--max-group-members", "Members of one group, up to 500.", "N")
    ] = None,
    handshake_timeout: Annotated[
        float | None, _option("--handshake-timeout", "For TLS and Hello, and again for the login.", "SECONDS")
    ] = None,
    heartbeat: Annotated[
        float | None, _option("--heartbeat", "A client that is silent twice as long is gone.", "SECONDS")
    ] = None,
    drain_timeout: Annotated[
        float | None, _option("--drain-timeout", "A slow reader is cut after this time.", "SECONDS")
    ] = None,
    outbox_budget: Annotated[
        int | None, _option("--outbox-budget", "What may wait for all slow readers together.", "BYTES")
    ] = None,
    stop_timeout: Annotated[
        float | None, _option("--stop-timeout", "How long a graceful stop may take.", "SECONDS")
    ] = None,
    password_time: Annotated[int | None, _option("--password-time", "Passes of argon2id over its memory.", "N")] = None,
    password_memory: Annotated[int | None, _option("--password-memory", "Memory of one password hash.", "KIB")] = None,
    password_workers: Annotated[int | None, _option("--password-workers", "Password hashes at a time.", "N")] = None,
    login_attempts: Annotated[
        int | None, _option("--login-attempts", "Failed logins per user and minute.", "N")
    ] = None,
    durability: Annotated[
        str | None,
        _option("--durability", "full (an fsync before every ack), normal or off: these lose acked messages."),
    ] = None,
    node: Annotated[int | None, _option("--node", "This server's number in ids, 0 to 1023.", "N")] = None,
    log_level: Annotated[str | None, _option("--log-level", "debug, info, warning or error.", "LEVEL")] = None,
    log_format: Annotated[str | None, _option("--log-format", "text or json, one line per event.", "FORMAT")] = None,
) -> None:
    """Run a server until it is told to stop (SIGTERM or control-C; twice: at once).

    Prints a line `listening tcp://HOST:PORT` per listener once it is ready. Every setting can also stand in the
    --config file (`tcp = "127.0.0.1:7000"`) or in the environment (CHATSRV_TCP); the flag wins. Without an address it
    listens on tcp://127.0.0.1:7000 and ws://127.0.0.1:7001.
    """
    flags = dict(locals())
    file = flags.pop("config")
    raise typer.Exit(run(file, flags))


def run(file: Path | None, flags: dict[str, object]) -> int:
    """Serve, and answer the exit code: 0 after a graceful stop. Raises Failure for what keeps it from starting."""
    import attrs
    import trio

    from chatsrv.config import Address, ConfigError, load_config

    try:
        config = load_config(file, os.environ, **flags)
        if not (config.tcp or config.ws or config.tls or config.wss):
            config = attrs.evolve(config, tcp=Address.parse(DEFAULT_TCP), ws=Address.parse(DEFAULT_WS))
    except ConfigError as error:
        raise Failure(str(error), code="config") from None
    if config.data is None:
        from platformdirs import user_data_path

        config = attrs.evolve(config, data=user_data_path("chatsrv", appauthor=False))
    _allow_many_files(config.max_connections)
    sys.setswitchinterval(SWITCH_INTERVAL)
    return trio.run(_serve, config)


async def _serve(config: "Config") -> int:
    import trio

    from chatsrv.app import open_server
    from chatsrv.log import make_log

    log = make_log(config.log_level, config.log_format)
    stopping = Stopping()
    async with trio.open_nursery() as nursery:
        await nursery.start(stopping.watch)
        with stopping.scope:
            async with open_server(config, log=log) as server:
                stopping.server = server
                for url in server.urls:
                    sys.stdout.write(f"listening {url}\n")
                sys.stdout.flush()
                _tell_systemd("READY=1")
                await server.wait_stopping()
                _tell_systemd("STOPPING=1")
            log.info("server stopped")
        nursery.cancel_scope.cancel()
    return 1 if stopping.at_once else 0


class Stopping:
    """What signals do: the first asks the server to stop, the second (or one before it is ready) ends it."""

    def __init__(self) -> None:
        import trio

        self.scope = trio.CancelScope()
        self.server: Server | None = None
        self.at_once = False

    async def watch(self, task_status: "trio.TaskStatus[None]") -> None:
        """Until cancelled."""
        import signal

        import trio

        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            task_status.started()
            async for _ in signals:
                if self.server is None or self.server.services.stopping.is_set():
                    self.at_once = True
                    self.scope.cancel()
                else:
                    self.server.stop()


def _allow_many_files(connections: int) -> None:
    """A connection is an open file, and the usual limit is 1,024: take what the system lets us have without asking."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + 256
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        sys.stderr.write(f"chatsrv: only {allowed} files may be open here, and {connections} connections need more\n")


def _tell_systemd(state: str) -> None:
    """Say so to systemd, where it asked to be told (Type=notify)."""
    import socket

    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
            to.sendto(state.encode(), address)
    except OSError as error:
        sys.stderr.write(f"chatsrv: systemd cannot be told: {error}\n")
