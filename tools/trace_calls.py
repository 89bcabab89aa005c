"""The way of one message and of one opening: `python tools/trace_calls.py` lists the calls, `--count` the sums alone.

A server in memory, its storage inline, one person alone in a group: what the server calls of its own code from the bytes
that come in to the bytes that go out, each function where it is first called. Comprehensions are left out, and so are the
client and the memory streams. docs/architecture.md has the figures.
"""

import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import FrameType

import trio
import trio.testing

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from chatsrv.testing import open_test_server  # noqa: E402
from chatsrv_protocol import redpack as wire  # noqa: E402
from chatsrv_protocol.messages import Send  # noqa: E402
from tests.support.server_kit import Client  # noqa: E402

PACKAGES = (
    "chatsrv_storage/",
    "chatsrv_protocol/",
    "chatsrv_redpack/",
    "chatsrv_names/",
    "chatsrv_domain/",
    "chatsrv/",
)
NOT_THE_SERVER = ("/client/", "testing.py", "memory.py")


class Calls:
    """The first call of each function of the product, by `sys.setprofile`."""

    def __init__(self) -> None:
        self.seen: dict[str, None] = {}
        self.statements = 0
        self.encodings = 0

    def note(self, frame: FrameType, event: str, called: object) -> None:
        """See sys.setprofile."""
        code = frame.f_code
        if event == "c_call" and getattr(called, "__name__", "") in ("execute", "executemany"):
            self.statements += 1
        if event != "call" or code.co_name.startswith("<"):
            return
        path = code.co_filename
        at = max(path.rfind("/" + package) for package in PACKAGES)
        if at < 0 or any(each in path for each in NOT_THE_SERVER):
            return
        self.encodings += code.co_name == "encode_values" and path.endswith("chatsrv_protocol/codec.py")
        self.seen.setdefault(f"{path[at + 1 :]}: {code.co_qualname}")

    def show(self, what: str, *, counts_alone: bool) -> None:
        """Write it to standard output."""
        files = {each.partition(":")[0] for each in self.seen}
        sums = f"{len(self.seen)} functions in {len(files)} files, {self.statements} statements, {self.encodings} encodings"
        lines = [f"{what}: {sums}", *([] if counts_alone else [f"    {each}" for each in self.seen])]
        sys.stdout.write("\n".join(lines) + "\n")


async def traced(steps: Sequence[Callable[[], Awaitable[object]]]) -> Calls:
    """The calls of the last step: those before fill the caches."""
    calls = Calls()
    for step in steps[:-1]:
        await step()
    sys.setprofile(calls.note)
    try:
        await steps[-1]()
    finally:
        sys.setprofile(None)
    return calls


async def main() -> None:
    """Trace both."""
    counts_alone = "--count" in sys.argv
    async with open_test_server() as server:
        ann = Client(await server.dial())
        await ann.register("ann")
        home = await ann.make_group("home")

        async def exchange(frame: bytes) -> None:
            await ann.stream.send_all(frame)
            await trio.testing.wait_all_tasks_blocked()

        sends = [ann.protocol.send(Send(ann.new_id(), home, "hello"), 500 + n) for n in range(2)]
        (await traced([lambda frame=frame: exchange(frame) for frame in sends])).show(
            "message", counts_alone=counts_alone
        )
        await server.server.services.storage.write(
            lambda conn: conn.execute("update person set operator = 1 returning id").fetchall()
        )
        await ann.settle()
        await ann.ask(wire.GrantMoney(ann.new_id(), "ann", 1000))
        packets: list[int] = []
        for _ in range(2):
            prepared = await ann.ask(wire.PreparePacket(ann.new_id(), home, 100, 2))
            await ann.ask(wire.SendPacket(ann.new_id(), home, prepared.packet_id, bytes(32)))
            packets.append(prepared.packet_id)
        await ann.settle()
        opens = [
            ann.protocol.send(wire.OpenPacket(ann.new_id(), home, each), 700 + n) for n, each in enumerate(packets)
        ]
        (await traced([lambda frame=frame: exchange(frame) for frame in opens])).show(
            "opening", counts_alone=counts_alone
        )


if __name__ == "__main__":
    trio.run(main)
