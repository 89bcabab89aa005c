"""A child process that only writes the same bytes to the same sockets: what a fan-out costs at least, on Trio.

No rights, no storage, no codec, no bounds, no slow readers. A connection's first frame names its group; what it sends
then becomes an event of the same size, which goes to all of the group, an ack before it to the sender. `turn` joins
what arrived in one turn of the loop into one write per member; `each` makes one write per message and member.
"""

import os
import struct
import sys
import time

import trio

from bench.workers.control import hear_line, raise_file_limit, say, usage
from bench.workers.wire import SEND_HEAD

_EVENT = struct.Struct(">I5scQcIcQcIcQ10scQc")
_ACK = struct.Struct(">I4scIcQcIcQcIcQ")
NAME = b"\xa9user00000"


class Member:
    """One connection."""

    __slots__ = ("acks", "socket")

    def __init__(self, socket: trio.socket.SocketType) -> None:
        self.socket = socket
        self.acks: list[bytes] = []


class Floor:
    """The groups, what waits for each, and the one task that writes."""

    def __init__(self, each: bool) -> None:
        self.each = each
        self.groups: dict[int, dict[Member, None]] = {}
        self.pending: dict[int, list[bytes]] = {}
        self.seqs: dict[int, int] = {}
        self.acking: dict[Member, None] = {}
        self.parked = trio.lowlevel.ParkingLot()

    async def serve(self, stream: trio.SocketStream) -> None:
        """Read one connection."""
        member = Member(stream.socket)
        buffer = b""
        group_id = 0
        try:
            while data := await stream.receive_some(65536):
                buffer += data
                at = 0
                while len(buffer) - at >= 4:
                    end = at + 4 + int.from_bytes(buffer[at : at + 4], "big")
                    if end > len(buffer):
                        break
                    if group_id:
                        self.take(member, group_id, buffer[at:end])
                    else:
                        group_id = int.from_bytes(buffer[at + 4 : end], "big")
                        self.groups.setdefault(group_id, {})[member] = None
                        await stream.send_all(bytes(4))
                    at = end
                buffer = buffer[at:]
        except trio.BrokenResourceError:
            pass
        finally:
            self.groups.get(group_id, {}).pop(member, None)

    def take(self, member: Member, group_id: int, frame: bytes) -> None:
        """A message: its event and its ack wait for the next turn."""
        text = frame[SEND_HEAD:]
        seq = self.seqs[group_id] = self.seqs.get(group_id, 0) + 1
        now = time.time_ns() // 1_000_000
        event = _EVENT.pack(
            _EVENT.size - 4 + len(text), b"\x9b\xcd\x03\x80\x00", b"\xcf", group_id, b"\xce", seq, b"\xcf",
            seq, b"\xce", seq, b"\xcf", 1 << 62, NAME, b"\xcf", now, b"\x01",
        )  # fmt: skip
        member.acks.append(
            _ACK.pack(
                _ACK.size - 4, b"\x97\xcd\x03\x40", b"\xce", int.from_bytes(frame[9:13], "big"), b"\xcf", group_id,
                b"\xce", seq, b"\xcf", seq, b"\xce", seq, b"\xcf", now,
            )
        )  # fmt: skip
        self.acking[member] = None
        if not self.pending:
            self.parked.unpark()
        self.pending.setdefault(group_id, []).append(event + text)

    async def broadcast(self) -> None:
        """Write what the last turn brought, forever."""
        while True:
            if not self.pending:
                await self.parked.park()
            pending, self.pending = self.pending, {}
            acking, self.acking = self.acking, {}
            for group_id, events in pending.items():
                for blob in events if self.each else [b"".join(events)]:
                    for member in self.groups[group_id]:
                        if member in acking:
                            del acking[member]
                            acks, member.acks = member.acks, []
                            await write(member.socket, b"".join(acks) + blob)
                        else:
                            await write(member.socket, blob)
            await trio.lowlevel.checkpoint()


async def write(socket: trio.socket.SocketType, data: bytes) -> None:
    """One write, and more only where the socket is full."""
    try:
        done = os.write(socket.fileno(), data)
    except BlockingIOError:
        done = 0
    except OSError:
        return
    while done < len(data):
        await trio.lowlevel.wait_writable(socket)
        try:
            done += os.write(socket.fileno(), data[done:])
        except BlockingIOError:
            continue
        except OSError:
            return


async def main(each: bool) -> None:
    """Serve until the parent closes our standard input."""
    floor = Floor(each)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(floor.broadcast)
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=4096)
        await nursery.start(trio.serve_listeners, floor.serve, listeners)
        say({"urls": [f"tcp://127.0.0.1:{listeners[0].socket.getsockname()[1]}"], "pid": os.getpid()})
        async with trio.lowlevel.FdStream(os.dup(0)) as stdin:
            while line := await stdin.receive_some():
                for _ in range(line.count(b"\n")):
                    say(usage())
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    raise_file_limit()
    sys.setswitchinterval(0.0005)
    first = hear_line()
    if first is not None:
        trio.run(main, bool(first["each"]))
