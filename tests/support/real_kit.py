"""Servers as processes for the tests of the real thing: real files, real sockets, real signals.

Clients are those of server_kit. Whoever asks waits with a deadline, since a real process can do nothing at all.
"""

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import threading
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from chatsrv_protocol.messages import Message, Send
from support.cli_kit import CHATSRV, QUICK, environment, listening
from support.server_kit import Client, RefusedError, dialled

DEADLINE = 120
"""Seconds for anything that must come; the machine may be busy."""

FAST = ("--messages-per-second", "0", "--changes-per-second", "0", "--address-per-second", "0")


@attrs.define
class Process:
    """A server process and the last thing it said about itself."""

    process: "subprocess.Popen[str]"
    url: str
    urls: list[str]
    errors: list[str] = attrs.field(factory=list)

    @property
    def pid(self) -> int:
        return self.process.pid

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Its exit code, once it has ended."""
        with trio.fail_after(DEADLINE):
            while self.process.poll() is None:
                await trio.sleep(0.01)
        assert self.process.returncode is not None
        return self.process.returncode

    def said(self) -> str:
        """All it wrote to its standard error so far."""
        return "".join(self.errors)


@asynccontextmanager
async def real_server(
    data: Path,
    *flags: str,
    under: tuple[str, ...] = (),
    extra: Mapping[str, str] | None = None,
    limits: Mapping[int, int] | None = None,
) -> AsyncGenerator[Process]:
    """A server process on a folder, killed at the end if it still lives. `under` is a command that runs it."""

    def bound() -> None:
        for which, number in (limits or {}).items():
            resource.setrlimit(which, (number, resource.getrlimit(which)[1]))

    process = subprocess.Popen(
        [*under, *CHATSRV, "serve", "--data", str(data), "--tcp", "127.0.0.1:0", *QUICK, *FAST, *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(data.parent, **(extra or {})),
        preexec_fn=bound,  # noqa: PLW1509
        start_new_session=True,
    )
    try:
        urls = await trio.to_thread.run_sync(listening, process, 1 + flags.count("--ops"))
        running = Process(process, urls[0], urls)
        reader = threading.Thread(target=_drain, args=(process, running.errors), daemon=True)
        reader.start()
        yield running
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what `under` started too, which would keep the pipes open
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def _drain(process: "subprocess.Popen[str]", into: list[str]) -> None:
    assert process.stderr is not None
    try:
        into.extend(process.stderr)
    except ValueError:
        return


@attrs.define
class Talker:
    """Somebody who keeps ten messages on the way; what was acked, what was refused, and what nobody knows."""

    client: Client
    group_id: int
    acked: dict[str, Any] = attrs.field(factory=dict)
    refused: list[str] = attrs.field(factory=list)
    unknown: list[str] = attrs.field(factory=list)

    async def run(self, name: str, most: int = 10**9) -> None:
        """Talk until the server is gone, or all is said."""
        waiting: dict[int, str] = {}
        number = 0
        try:
            while waiting or number < most:
                while len(waiting) < 10 and number < most:
                    text = f"{name}/{number}"
                    waiting[await self.client.start(Send(self.client.new_id(), self.group_id, text))] = text
                    number += 1
                request_id = next(iter(waiting))
                try:
                    self.acked[waiting[request_id]] = await self.client.answer(request_id)
                except RefusedError as error:
                    self.refused.append(error.code)
                del waiting[request_id]
        except (EOFError, OSError, trio.BrokenResourceError):
            pass
        with suppress(OSError):
            await self.client.until_end()
        for request_id, text in waiting.items():
            answer = self.client.answers.get(request_id)
            if hasattr(answer, "seq"):
                self.acked[text] = answer
            else:
                self.unknown.append(text)


async def check_acked(url: str, token: bytes, group_id: int, acked: Mapping[str, Any]) -> list[int]:
    """Everything acked is stored once, in its place, without a gap; answers the sequence numbers."""
    with trio.fail_after(DEADLINE):
        async with dialled(url) as client:
            await client.resume(token)
            events = await client.history(group_id)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    stored = {event.text: event for event in events if isinstance(event, Message)}
    assert len(stored) == sum(isinstance(event, Message) for event in events)
    for text, sent in acked.items():
        assert (stored[text].seq, stored[text].id) == (sent.seq, sent.id), text
    assert [event.id for event in events if isinstance(event, Message)] == sorted(event.id for event in stored.values())
    return [event.seq for event in events]


def looked_over(data: Path, command: str = "check") -> tuple[int, str]:
    """What `chatsrv check` (or `audit`) says about a folder."""
    done = subprocess.run([*CHATSRV, command, str(data)], capture_output=True, text=True, env=environment(data.parent))
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr


def damage(data: Path, *statements: str) -> None:
    """Change rows behind the server's back, triggers and checks notwithstanding."""
    with sqlite3.connect(data / "chat.sqlite3") as database:
        database.execute("pragma ignore_check_constraints = on")
        for (trigger,) in database.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            database.execute(f'drop trigger "{trigger}"')
        for statement in statements:
            assert database.execute(statement).rowcount == 1, statement
    database.close()


def needs(program: str, what: str) -> str:
    """The path of a program, or a skip that says what is not tested."""
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"no {program} here: {what}")
    return path


def as_root(what: str) -> None:
    """Skip, saying what is not tested, where this is not root."""
    if os.geteuid() != 0:
        pytest.skip(f"not root: {what}")


@contextmanager
def small_disk(at: Path, size: str, what: str) -> Generator[Path]:
    """A tmpfs of `size` at `at`, or a skip that says what is not tested.

    A process of its own mounts it and unmounts it when its input ends: at the end of the block, and also when this
    process is killed.
    """
    as_root(what)
    at.mkdir()
    script = 'mount -t tmpfs -o size="$1" none "$0" && echo mounted && { read _; umount "$0" || umount -l "$0"; }'
    with subprocess.Popen(
        ["sh", "-c", script, str(at), size],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    ) as holder:  # fmt: skip
        assert holder.stdin is not None
        assert holder.stdout is not None
        if not holder.stdout.readline():
            pytest.skip(f"no tmpfs can be mounted here: {what}")
        try:
            yield at
        finally:
            holder.stdin.close()
            holder.wait(DEADLINE)
    assert not at.is_mount()


def fill_disk(ballast: Path) -> None:
    """Make a file that takes all the room there is."""
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while file.write(bytes(4096)):
            pass


KILLED = -signal.SIGKILL
