"""A child process that only writes the same bytes to the same sockets: what a fan-out costs at least, on Trio.

No rights, no storage, no codec, no bounds, no slow readers. A connection's first frame names its group; what it sends
then becomes an event of the same size, which goes to all of the group, an ack before it to the sender. `turn` joins
what arrived in one turn of the loop into one write per member; `each` makes one write per message and member.
With a certificate it speaks TLS, a record a member. `durable` first stores what a turn brought: one INSERT and COMMIT,
with the fsync of `synchronous=FULL`, in a thread.
"""

import os
import queue
import sqlite3
import ssl
import sys
import tempfile
import threading
import time
from pathlib import Path

import trio

from bench.workers.control import hear_line, raise_file_limit, say, usage
from bench.workers.floor_frames import ack, event_head
from bench.workers.wire import SEND_HEAD


class Member:
    """One connection. Under TLS its bytes go through the record layer and a stream, which may wait for its socket."""

    __slots__ = ("socket", "stream")

    def __init__(self, stream: trio.abc.Stream, socket: trio.socket.SocketType | None) -> None:
        self.stream = stream
        self.socket = socket

    async def write(self, data: bytes) -> None:
        """Write once, and more only where the socket is full."""
        if self.socket is not None:
            await write(self.socket, data)
            return
        try:
            await self.stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return


class Log:
    """A table to which a thread appends: the least that a durable message takes with SQLite. `append` waits for the fsync."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._work: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._token = trio.lowlevel.current_trio_token()
        self._stored = trio.lowlevel.ParkingLot()
        threading.Thread(target=self._run, daemon=True).start()

    async def append(self, data: bytes) -> None:
        """Store a row."""
        self._work.put(data)
        await self._stored.park()

    def close(self) -> None:
        """End the thread."""
        self._work.put(None)

    def _run(self) -> None:
        conn = sqlite3.connect(self._path, isolation_level=None)
        conn.execute("pragma journal_mode = wal").fetchall()
        conn.execute("pragma synchronous = full")
        conn.execute("create table log (number integer primary key, data blob not null)")
        while (data := self._work.get()) is not None:
            conn.execute("begin immediate")
            conn.execute("insert into log (data) values (?)", (data,))
            conn.execute("commit")
            self._token.run_sync_soon(self._stored.unpark)
        conn.close()


class Floor:
    """The groups, what waits for each, and the one task that writes."""

    def __init__(self, each: bool, log: Log | None) -> None:
        self.each = each
        self.log = log
        self.groups: dict[int, dict[Member, None]] = {}
        self.pending: dict[int, list[bytes]] = {}
        self.seqs: dict[int, int] = {}
        self.acking: dict[Member, list[bytes]] = {}
        self.parked = trio.lowlevel.ParkingLot()

    async def serve(self, stream: trio.SocketStream | trio.SSLStream[trio.SocketStream]) -> None:
        """Read one connection."""
        member = Member(stream, stream.socket if isinstance(stream, trio.SocketStream) else None)
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
        """Take a message: its event and its ack wait for the next turn."""
        text = frame[SEND_HEAD:]
        seq = self.seqs[group_id] = self.seqs.get(group_id, 0) + 1
        now = time.time_ns() // 1_000_000
        event = event_head(group_id, seq, len(text), now) + text
        self.acking.setdefault(member, []).append(ack(int.from_bytes(frame[9:13], "big"), group_id, seq, now))
        if not self.pending:
            self.parked.unpark()
        self.pending.setdefault(group_id, []).append(event)

    async def broadcast(self) -> None:
        """Write what the last turn brought, forever."""
        while True:
            if not self.pending:
                await self.parked.park()
            pending, self.pending = self.pending, {}
            acking, self.acking = self.acking, {}
            if self.log is not None:
                await self.log.append(b"".join(event for events in pending.values() for event in events))
            for group_id, events in pending.items():
                for blob in events if self.each else [b"".join(events)]:
                    for member in self.groups[group_id]:
                        acks = acking.pop(member, None)
                        if acks is not None:
                            await member.write(b"".join(acks) + blob)
                        else:
                            await member.write(blob)
            await trio.lowlevel.checkpoint()


async def write(socket: trio.socket.SocketType, data: bytes) -> None:
    """Write once, and more only where the socket is full."""
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


async def main(each: bool, folder: Path | None, tls: ssl.SSLContext | None) -> None:
    """Serve until the parent closes our standard input; store first in a database in the folder, if there is one."""
    log = None if folder is None else Log(folder / "log.sqlite3")
    floor = Floor(each, log)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(floor.broadcast)
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=4096)
        port = listeners[0].socket.getsockname()[1]
        serving = (
            listeners if tls is None else [trio.SSLListener(plain, tls, https_compatible=True) for plain in listeners]
        )
        await nursery.start(trio.serve_listeners, floor.serve, serving)
        say({"urls": [f"{'tcp' if tls is None else 'tls'}://127.0.0.1:{port}"], "pid": os.getpid()})
        async with trio.lowlevel.FdStream(os.dup(0)) as stdin:
            while line := await stdin.receive_some():
                for _ in range(line.count(b"\n")):
                    say(usage())
        nursery.cancel_scope.cancel()
    if log is not None:
        log.close()


if __name__ == "__main__":
    raise_file_limit()
    sys.setswitchinterval(0.0005)
    first = hear_line()
    if first is not None:
        context = None
        if "tls_cert" in first:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(first["tls_cert"], first["tls_key"])
        with tempfile.TemporaryDirectory(prefix="chatsrv-bench-") as name:
            trio.run(main, bool(first["each"]), Path(name) if first.get("durable") else None, context)
