"""The demo from beginning to end, with its deadline, its verdict, and what `--stay` says."""

import tempfile
from pathlib import Path
from typing import Final

import trio

from chatsrv.cli.demo.people import PASSWORD
from chatsrv.cli.demo.scenes import SCENES
from chatsrv.cli.demo.stage import Stage
from chatsrv.cli.errors import Failure
from chatsrv.cli.output import Output

DEADLINE: Final = 20.0
"""Seconds for all scenes and the verification."""


async def play(out: Output, stay: bool) -> None:
    """Play all scenes and verify what everybody saw. Raises Failure where something is not as it should be."""
    began = trio.current_time()
    with tempfile.TemporaryDirectory(prefix="chatsrv-demo-") as folder:
        async with trio.open_nursery() as nursery:
            stage = Stage(out, Path(folder) / "data", nursery)
            try:
                with trio.fail_after(DEADLINE):
                    events = await _scenes(stage)
            except trio.TooSlowError:
                raise Failure(f"the demo was not through after {DEADLINE:g} seconds") from None
            _verdict(out, stage, events, trio.current_time() - began)
            if stay:
                await _stay(out, stage)
            await stage.stop_server()
            nursery.cancel_scope.cancel()


async def _scenes(stage: Stage) -> int:
    await stage.start_server()
    for number, scene in enumerate(SCENES, 1):
        stage.title(number, scene.title)
        await scene.play(stage)
    return await stage.verify()


def _verdict(out: Output, stage: Stage, events: int, seconds: float) -> None:
    if out.json:
        out.record({"ok": True, "devices": len(stage.devices), "events": events, "seconds": round(seconds, 2)})
        return
    from rich.text import Text

    verdict = f"\n✔ {len(stage.devices)} devices of {len(stage.people)} people saw the same events in the same order: "
    out.console.print(Text(f"{verdict}{events} events, none missing, none twice, in {seconds:.1f} s.", style="green"))


async def _stay(out: Output, stage: Stage) -> None:
    """Leave the server running until control-C or SIGTERM."""
    import signal

    url = stage.urls["tcp"]
    urls = [url, stage.urls["ws"]]
    if out.json:
        out.record(
            {"server": url, "urls": urls, "page": stage.urls["http"], "names": list(stage.people), "password": PASSWORD}
        )
    else:
        out.line("")
        out.line(
            f"Its page is at {stage.urls['http']}: open it in a browser and log in with a name and password from below."
        )
        out.line(f"The server goes on at {' and '.join(urls)} until control-C; then its data is removed.")
        out.line(f"Join in another terminal; the password of {', '.join(stage.people)} is '{PASSWORD}':")
        out.line("")
        out.line(f"    export CHATSRV_SERVER={url}")
        out.line("    chatsrv login bob")
        out.line("    chatsrv chat weekend")
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            return
