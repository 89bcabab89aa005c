"""What each scenario takes from the command line, and its defaults."""

from collections.abc import Callable
from typing import Any

from bench.data.dataset import Town
from bench.options import Options
from bench.scenarios import (
    cli,
    cluster,
    connect,
    fanout,
    growth,
    idle,
    mixed,
    page,
    redpack,
    slow_readers,
    startup,
    sync,
)
from bench.scenarios.conversation import Talk
from bench.workers.target import Elsewhere


def elsewhere(options: Options) -> Elsewhere | None:
    """Return the server that `--server` names."""
    if not options.server:
        return None
    if not options.town:
        raise SystemExit("--server needs --town FILE, which `python -m bench prepare` writes")
    return Elsewhere(options.server, Town.load(options.town.read_text()), options.server_pid)


def talk_of(options: Options, senders: int, window: int, size: int = 128) -> Talk:
    """Return what the load sends."""
    return Talk(
        senders=senders,
        window=0 if options.rate else options.window or window,
        rate=options.rate,
        seconds=options.seconds,
        warm_up=options.warm_up,
        processes=options.processes,
        bytes=options.bytes or size,
        profile=options.profile,
    )


def run_fanout(options: Options) -> dict[str, Any]:
    """Run `fanout`: one group."""
    members = options.members or 500
    talk = talk_of(options, options.senders or min(50, members), 128)
    return fanout.run(
        talk,
        options.groups or 1,
        members,
        transport=options.transport,
        floors=options.floor,
        elsewhere=elsewhere(options),
    )


def run_many_groups(options: Options) -> dict[str, Any]:
    """Run `many-groups`: many small groups."""
    groups = options.groups or 1000
    return fanout.run(
        talk_of(options, options.senders or groups, 200),
        groups,
        options.members or 10,
        transport=options.transport,
        floors=options.floor,
        elsewhere=elsewhere(options),
    )


def run_idle(options: Options) -> dict[str, Any]:
    """Run `idle`: memory of connections."""
    return idle.run(
        options.connections or 5000,
        transport=options.transport,
        watch=min(2.0, options.seconds),
        floors=options.floor,
        elsewhere=elsewhere(options),
    )


def run_connect(options: Options) -> dict[str, Any]:
    """Run `connect`: logins."""
    return connect.run(
        options.connections or 2000,
        options.members or 100,
        options.rate or 50.0,
        options.seconds,
        transport=options.transport,
        real_hash=not options.quick_hashes,
        processes=options.processes,
    )


def run_sync(options: Options) -> dict[str, Any]:
    """Run `sync`: reconnecting after a restart."""
    return sync.run(
        options.connections or 5000,
        options.groups or 10,
        options.missed,
        transport=options.transport,
        stored=options.stored,
        processes=options.processes,
    )


def run_deaf(options: Options) -> dict[str, Any]:
    """Run `deaf`: slow readers."""
    members = options.members or 250
    options.rate = options.rate or 20.0
    talk = talk_of(options, min(50, members - options.deaf), 0, 4096)
    return slow_readers.run(
        members, options.deaf, talk, drain_timeout=options.drain_timeout, transport=options.transport
    )


def run_redpack(options: Options) -> dict[str, Any]:
    """Run `redpack`: openings."""
    members, connections, window = options.members or 500, options.connections or 50, options.window or 50
    return redpack.run(members, connections, options.opens, window=window, transport=options.transport)


def run_mixed(options: Options) -> dict[str, Any]:
    """Run `mixed`: a community's day."""
    return mixed.run(
        options.connections or 200,
        options.rate or 300.0,
        options.seconds,
        transport=options.transport,
        profile=options.profile,
    )


def run_startup(options: Options) -> dict[str, Any]:
    """Run `startup`: a start with many stored messages."""
    return startup.run(options.stored or 1_000_000, transport=options.transport)


def run_cli(options: Options) -> dict[str, Any]:
    """Commands of the terminal."""
    return cli.run(options.rounds or 15)


def run_growth(options: Options) -> dict[str, Any]:
    """Run `growth`: how cost grows."""
    return growth.run(talk_of(options, options.senders or 50, 128), transport=options.transport, scale=options.scale)


def run_page(options: Options) -> dict[str, Any]:
    """Run `page`: the page in a browser."""
    seconds = options.seconds if options.hidden is not None else 10.0
    hidden = 600.0 if options.hidden is None else options.hidden
    return page.run(options.stored or 10_000, seconds, options.rate or 500.0, hidden)


def run_cluster(options: Options) -> dict[str, Any]:
    """Return several nodes."""
    seconds = min(options.seconds, 2.5)  # of a turn
    return cluster.run(cluster.Size(options.groups or 1000, options.members or 500, seconds, options.rounds or 3))


SCENARIOS: dict[str, Callable[[Options], dict[str, Any]]] = {
    "fanout": run_fanout,
    "many-groups": run_many_groups,
    "connect": run_connect,
    "idle": run_idle,
    "sync": run_sync,
    "redpack": run_redpack,
    "mixed": run_mixed,
    "deaf": run_deaf,
    "startup": run_startup,
    "cli": run_cli,
    "growth": run_growth,
    "page": run_page,
    "cluster": run_cluster,
}
