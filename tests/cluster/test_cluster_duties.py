"""What one node does for all: when it dies, another does it."""

from typing import Any

import attrs
import trio
from support.cluster_kit import open_nodes

from chatsrv.app.http_side import SWEEP_EVERY, sweep_media
from chatsrv.log import quiet_log
from chatsrv.media.store.interface import Swept


@attrs.define
class SweptLibrary:
    """A library that notes how it is swept."""

    own_only: list[bool] = attrs.field(factory=list)

    async def sweep(self, *, own_only: bool = False) -> Swept:
        await trio.lowlevel.checkpoint()
        self.own_only.append(own_only)
        return Swept(0, 0)


async def test_one_node_at_a_time_sweeps_the_media_that_all_share(autojump_clock: object) -> None:
    async with open_nodes(2) as nodes, trio.open_nursery() as nursery:
        libraries: list[Any] = [SweptLibrary(), SweptLibrary()]
        for number, library in enumerate(libraries):
            nursery.start_soon(sweep_media, library, quiet_log(), nodes[number].server.services.cluster)
        await trio.sleep(SWEEP_EVERY + 1)
        assert [each.own_only for each in libraries] == [[False], [True]]
        nodes.kill(0)
        await trio.sleep(SWEEP_EVERY)
        assert libraries[1].own_only == [True, False], "the other one died"
        nursery.cancel_scope.cancel()


async def test_a_server_alone_sweeps_everything(autojump_clock: object) -> None:
    library: Any = SweptLibrary()
    with trio.move_on_after(SWEEP_EVERY + 1):
        await sweep_media(library, quiet_log(), None)
    assert library.own_only == [False]
