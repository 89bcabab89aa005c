"""`chatsrv serve`: read the settings, run a server until a signal, say on standard output where it listens.

The first SIGTERM or control-C stops gracefully: clients are told to come back, what is under way is finished and
answered. The second stops at once. Neither loses anything that was acked.
"""

import os
import sys
from collections.abc import Callable, Iterator
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import click

from chatsrv.cli.declare import Option
from chatsrv.cli.errors import USAGE, Failure
from chatsrv.cli.online import with_parameters

if TYPE_CHECKING:
    import trio

    from chatsrv.app import Server
    from chatsrv.config import Config

DEFAULT_TCP: Final = "127.0.0.1:7000"
DEFAULT_WS: Final = "127.0.0.1:7001"
DEFAULT_HTTP: Final = "127.0.0.1:7080"


def _serve_command(config: Path | None, **flags: object) -> None:
    """Run a server until it is told to stop.

    Prints a line `listening tcp://HOST:PORT` per listener once it is ready. SIGTERM or control-C stops it gracefully,
    the second one at once. Without an address it listens on tcp://127.0.0.1:7000 and ws://127.0.0.1:7001, and has its page at
    http://127.0.0.1:7080, to be opened in a browser.

    Every setting can also stand in the --config file (`tcp = "127.0.0.1:7000"`) or in the environment (CHATSRV_TCP);
    the environment wins over the file, and the flag over both.
    """
    raise click.exceptions.Exit(run(config, flags))


def make_serve(*, with_settings: bool = True) -> Callable[..., None]:
    """Return the command, with a flag for each setting; without them it needs not to import the server's configuration."""
    file = Option("--config", metavar="FILE", envvar="CHATSRV_CONFIG", help="A TOML file with settings.")
    parameters = [Parameter("config", Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[Path | None, file])]
    if with_settings:
        parameters += _flags()
    return with_parameters(_serve_command, "serve", parameters)


def _flags() -> Iterator[Parameter]:
    from chatsrv.config import SETTINGS

    for one in SETTINGS.values():
        if not one.is_secret:
            words = f"{one.help}  [default: {one.default}]" if one.default else one.help
            option = Option(one.flag, metavar=one.metavar or None, help=words)
            kind = Annotated[one.kind | None, option]
            yield Parameter(one.name, Parameter.KEYWORD_ONLY, default=None, annotation=kind)


def run(file: Path | None, flags: dict[str, object]) -> int:
    """Serve, and answer the exit code: 0 after a graceful stop. Raises Failure for what keeps it from starting."""
    import attrs
    import trio

    from chatsrv.app.tuning import tune_interpreter
    from chatsrv.config import Address, ConfigError, load_config

    try:
        config = load_config(file, os.environ, **flags)
        if not (config.tcp or config.ws or config.tls or config.wss):
            config = attrs.evolve(config, tcp=Address.parse(DEFAULT_TCP), ws=Address.parse(DEFAULT_WS))
            if not (config.http or config.https):
                config = attrs.evolve(config, http=Address.parse(DEFAULT_HTTP))
    except ConfigError as error:
        raise Failure(str(error), USAGE, code="config") from None
    if config.data is None:
        from platformdirs import user_data_path

        config = attrs.evolve(config, data=user_data_path("chatsrv", appauthor=False))
    _allow_many_files(config.max_connections + (config.http_connections if config.http or config.https else 0))
    tune_interpreter()
    return trio.run(_serve, config)


async def _serve(config: "Config") -> int:
    import trio

    from chatsrv.app import open_server
    from chatsrv.app.tuning import server_is_ready
    from chatsrv.log import make_log

    log = make_log(config.log_level, config.log_format)
    stopping = Stopping()
    async with trio.open_nursery() as nursery:
        await nursery.start(stopping.watch)
        with stopping.scope:
            async with open_server(config, log=log) as server:
                stopping.server = server
                server_is_ready()
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
        """Watch for signals until cancelled."""
        import signal

        import trio

        for number in (signal.SIGTERM, signal.SIGINT):
            # What the receiver restores: a signal that comes when all is stored must not make the exit code a lie.
            signal.signal(number, signal.SIG_IGN)
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            task_status.started()
            async for _ in signals:
                if self.server is None or self.server.services.stopping.is_set():
                    self.at_once = True
                    self.scope.cancel()
                else:
                    self.server.stop()


def _allow_many_files(connections: int) -> None:
    """Raise the limit of open files as far as the system allows: a connection is one, and the usual limit is 1,024."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + 256
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < connections:
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
