"""`chatsrv media …`: getting what people sent, listing it, URLs of it; uploading it; small pictures in a terminal."""

import errno
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import click

from chatsrv.cli.arguments import GroupName
from chatsrv.cli.declare import Argument, CommandGroup, Option
from chatsrv.cli.errors import Failure
from chatsrv.cli.online import CommandContext, online

if TYPE_CHECKING:
    from rich.text import Text

    from chatsrv.cli.output import Output
    from chatsrv.client import Client
    from chatsrv_protocol.messages import MediaHead

media = CommandGroup(help="Images, audio, video and files: get them, and list them.")

MediaId = Annotated[int, Argument(metavar="ID", help="The medium's id.", min=1)]

BAR_AFTER: Final = 1.0
"""Seconds after which one wants to see that something happens."""

PREVIEW_COLUMNS: Final = 40


@contextmanager
def progress_bar(what: str, *, json: bool) -> Generator[Callable[[int, int], None]]:
    """Open a function to be called with (done, altogether): after a second it shows a bar on a terminal's standard error."""
    import time

    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from chatsrv.cli.terminal_escape import neutralise

    if json or not sys.stderr.isatty():
        yield lambda _done, _of: None
        return
    began = time.monotonic()
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task(neutralise(what), total=None)
    started = False

    def show(done: int, of: int) -> None:
        nonlocal started
        if not started and time.monotonic() - began > BAR_AFTER:
            started = True
            bar.start()
        if started:
            bar.update(task, completed=done, total=of)

    try:
        yield show
    finally:
        if started:
            bar.stop()


async def upload(out: "Output", client: "Client", path: Path, *, kind: str = "") -> int:
    """Bring a file to the server; answers the medium's id. Raises Failure where it cannot be read."""
    try:
        with progress_bar(path.name, json=out.json) as show:
            return await client.media.upload(path, kind=kind, progress=show)
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror or error}", code="file") from None


@media.command("get")
@online
async def get(
    here: CommandContext,
    media_id: MediaId,
    output: Annotated[
        Path | None,
        Option("-o", "--output", metavar="FILE", help="Where to; `-` is standard output."),
    ] = None,
    thumbnail: Annotated[bool, Option("--thumbnail", help="Only the small picture of it (WebP).")] = False,
) -> None:
    """Get a medium into a file, by default under the name it was sent with. No file is replaced unless `-o` names it."""
    async with here.session() as client:
        if str(output) == "-":
            with progress_bar(f"media-{media_id}", json=here.out.json) as show:
                await client.media.download(media_id, sys.stdout.buffer.write, thumbnail=thumbnail, progress=show)
            sys.stdout.buffer.flush()
            return
        names: list[str] = []
        target = output or Path(f".media-{media_id}.part")
        try:
            with progress_bar(f"media-{media_id}", json=here.out.json) as show:
                size = await client.media.download(
                    media_id, target, thumbnail=thumbnail, progress=show, named=names.append
                )
            if output is None:
                wanted = f"media-{media_id}.webp" if thumbnail else file_name(names[0] if names else "", media_id)
                target = keep_beside(target, wanted)
        except OSError as error:
            raise Failure(f"{target} cannot be written: {error.strerror or error}", code="file") from None
        here.out.say(f"{target}: {size} bytes", id=str(media_id), file=str(target), size=size)


def file_name(sent: str, media_id: int) -> str:
    """Return a name for a file here, of the name somebody else sent it under: no path, nothing hidden, no control character."""
    from chatsrv_protocol.limits import MAX_FILE_NAME

    plain = "".join(one for one in sent if one.isprintable() and one not in "/\\").lstrip(".").strip()
    return plain[:MAX_FILE_NAME] or f"media-{media_id}"


def keep_beside(file: Path, wanted: str) -> Path:
    """Give a finished file the name wanted, or one with a number where that is taken; answers it. Raises OSError."""
    stem, suffix = Path(wanted).stem, Path(wanted).suffix
    for number in range(1000):
        target = Path(wanted if not number else f"{stem}-{number}{suffix}")
        try:
            target.hardlink_to(file)
        except FileExistsError:
            continue
        file.unlink()
        return target
    raise FileExistsError(errno.EEXIST, "a thousand files of that name are here already")


@media.command("list")
@online
async def list_(
    here: CommandContext,
    which: GroupName,
    before: Annotated[int | None, Option("--before", metavar="N", min=1, help="Only what came before #N.")] = None,
    limit: Annotated[int, Option("--limit", metavar="N", min=1, max=200, help="At most so many.")] = 50,
) -> None:
    """List what a group's messages carry, the latest first."""
    from chatsrv.cli.events import clock, event_record, kind_of, size_of
    from chatsrv.cli.lookup import find_group

    async with here.session() as client:
        group = await find_group(here, client, which)
        messages, _ = await client.group(group.group_id).media(before=before or 0, limit=limit)
    if here.out.json:
        for message in messages:
            here.out.record(event_record(message))
        return
    rows: list[tuple[str, ...]] = []
    for message in messages:
        head = message.media
        if head is not None:
            when = clock(message.sent_at)
            rows.append(
                (f"#{message.seq}", when, message.sender, kind_of(message), size_of(head.size), str(head.id), head.name)
            )
    here.out.table(("", "when", "who", "kind", "size", "id", "name"), rows, empty="no files were sent here")


@media.command("url")
@online
async def url(here: CommandContext, media_id: MediaId) -> None:
    """Show URLs of a medium and its thumbnail, for a browser or a player: good for some minutes, for you alone."""
    async with here.session() as client:
        urls = await client.media.urls(media_id)
    if here.out.json:
        thumbnail = urls.thumbnail_url or None
        here.out.record({"id": str(media_id), "url": urls.url, "thumbnail_url": thumbnail, "until": urls.expires_at})
        return
    here.out.line(urls.url)
    if urls.thumbnail_url:
        here.out.line(urls.thumbnail_url)


PAGES_AT_MOST: Final = 1000
"""Answers that `media usage --all` asks for: 50,000 uploads."""


@media.command("usage")
@online
async def usage(
    here: CommandContext,
    all_: Annotated[bool, Option("--all", help="List all uploads, not only the 50 largest.")] = False,
) -> None:
    """Show how much of your room for media is taken, and by which uploads, the largest first.

    The same bytes count once. What you delete within a day of its upload makes room when that day is over.
    """
    from chatsrv.cli.events import clock, record_of, size_of
    from chatsrv_protocol.messages import KIND_NAMES

    async with here.session() as client:
        found = await client.media.usage()
        uploads = list(found.media)
        more = found.more
        for _ in range(PAGES_AT_MOST if all_ else 0):
            if not more:
                break
            page = await client.media.usage(size=uploads[-1].size, before=uploads[-1].id)
            uploads += page.media
            more = page.more
    taken = {"quota": found.quota, "stored": found.stored, "announced": found.announced}
    if here.out.json:
        here.out.record(taken)
        for each in uploads:
            here.out.record({**record_of(each), "kind": KIND_NAMES.get(each.kind, str(each.kind))})
        return
    under_way = f", {size_of(found.announced)} for uploads under way" if found.announced else ""
    here.out.line(f"{size_of(found.stored)} of {size_of(found.quota)} taken{under_way}")
    here.out.table(
        ("id", "kind", "size", "when", "in", "name"),
        [
            (
                str(each.id),
                KIND_NAMES.get(each.kind, "file"),
                size_of(each.size) + ("*" if each.copies else ""),
                clock(each.uploaded_at),
                "picture" if each.avatar else str(each.messages),
                each.name,
            )
            for each in uploads
        ],
        empty="you have uploaded nothing",
    )
    if any(each.copies for each in uploads):
        here.out.line("* the same bytes as another upload of yours: they count once")
    if more:
        here.out.line("there are more: --all lists them")


@media.command("delete")
@online
async def delete(
    here: CommandContext,
    media_ids: Annotated[list[int], Argument(metavar="ID…", help="The ids of your uploads.", min=1)],
    yes: Annotated[bool, Option("--yes", "-y", help="Do not ask whether you are sure.")] = False,
) -> None:
    """Delete uploads of yours, for everybody and wherever they were sent: the messages stay, without them."""
    from chatsrv.cli.errors import usage

    if not yes:
        if not sys.stdin.isatty():
            raise usage("say --yes to delete without being asked")
        click.confirm(f"Delete {len(media_ids)} of your uploads for everybody?", abort=True, err=True)
    async with here.session() as client:
        for media_id in dict.fromkeys(media_ids):
            await client.media.delete(media_id)
            here.out.say(f"deleted {media_id}", id=str(media_id))


def half_blocks(head: "MediaHead | None", columns: int = PREVIEW_COLUMNS) -> "Text | None":
    """Return the small picture that a message carries, for a terminal with colours: two pixels a character, the upper one in
    the foreground. None where there is none, or it cannot be read.

    The bytes are the server's, made by its confined worker; the decoder is opened by name and the size looked at first.
    """
    if head is None or not head.preview:
        return None
    import io

    from PIL import Image
    from rich.style import Style
    from rich.text import Text

    try:
        with Image.open(io.BytesIO(head.preview), formats=("WEBP",)) as opened:
            if max(opened.size) > 64:
                return None
            picture = opened.convert("RGB")
    except (OSError, ValueError, SyntaxError):
        return None
    picture.thumbnail((columns, columns))
    width, height = picture.size
    pixels = picture.tobytes()

    def colour(x: int, y: int) -> str:
        at = 3 * (min(y, height - 1) * width + x)
        return f"#{pixels[at : at + 3].hex()}"

    shown = Text(no_wrap=True)
    for y in range(0, height, 2):
        for x in range(width):
            shown.append("▀", Style(color=colour(x, y), bgcolor=colour(x, y + 1)))
        shown.append("\n")
    return shown
