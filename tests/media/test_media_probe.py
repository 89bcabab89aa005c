"""`chatsrv.media.probe.pool`: real files get true facts, hostile ones a typed error, and no worker takes the server down."""

import io
import os
import signal
import sys
from fractions import Fraction
from typing import Any

import pytest
import support.media_files as files
import trio
import trio.testing
from PIL import Image, ImageDraw

from chatsrv.media.errors import MediaCode, MediaError
from chatsrv.media.probe import pool as probe_module
from chatsrv.media.probe.blurhash import is_valid
from chatsrv.media.probe.facts import AudioFacts, ImageFacts, ProbeLimits, VideoFacts
from chatsrv.media.probe.pool import open_prober
from chatsrv.media.probe.sniff import ATTACHMENT, Kind, Sniffed, sniff

PNG = Sniffed(Kind.IMAGE, "image/png", "png", "PNG")


@pytest.fixture
async def probe(tmp_path):
    async with open_prober() as prober:

        async def run(data, sniffed=None, declared=None):
            path = tmp_path / "medium"
            path.write_bytes(data)
            return await prober.probe(path, sniffed or sniff(data), declared=declared)

        handle: Any = run
        handle.prober = prober
        yield handle


async def refusal(awaitable):
    with pytest.raises(MediaError) as caught:
        await awaitable
    return caught.value.code


async def outcome_of(function, *args):
    try:
        return await function(*args)
    except MediaError as error:
        return error


def colours(facts):
    image: Any = Image.open(io.BytesIO(facts.preview.webp)).convert("RGB")
    assert image.size == (facts.preview.width, facts.preview.height)
    width, height = image.size
    corners = [(2, 2), (width - 3, 2), (2, height - 3), (width - 3, height - 3)]
    return "".join("b" if image.getpixel(at)[2] > 128 else "r" for at in corners)


async def test_pictures(probe):
    for kind in ("PNG", "JPEG", "GIF", "WEBP", "AVIF"):
        facts = await probe(files.picture(kind), declared=Kind.IMAGE)
        assert isinstance(facts, ImageFacts)
        assert (facts.width, facts.height, facts.frames) == (400, 300, 1)
        assert (facts.preview.width, facts.preview.height) == (320, 240)
        assert facts.format.mime == f"image/{kind.lower()}"
        assert is_valid(facts.preview.blurhash)
        assert colours(facts) == "brrr"
    for kind in ("GIF", "WEBP", "PNG"):
        assert (await probe(files.animation(100, kind))).frames == 100
    for mode in ("1", "L", "LA", "P", "RGBA", "I;16"):
        facts = await probe(files.picture("PNG", mode=mode))
        assert (facts.width, facts.preview.width) == (400, 320)
    assert (await probe(files.picture("JPEG", mode="CMYK"))).width == 400
    assert (await probe(files.picture("PNG", (1, 1)))).preview.width == 1
    assert (await probe(files.picture("PNG", (5000, 2)))).preview.height == 1


def preview(facts):
    image: Any = Image.open(io.BytesIO(facts.preview.webp)).convert("RGBA")
    return image


async def test_pictures_are_averaged_not_sampled(probe):
    for mode in ("L", "1", "P", "LA", "RGB", "RGBA"):
        image = preview(await probe(files.stripes(mode)))
        greys = {image.getpixel((x, y))[0] for x in range(20, 300, 40) for y in range(10, 110, 7)}
        assert all(110 < grey < 145 for grey in greys), (mode, greys)
        assert image.getpixel((160, 200))[:3] == (255, 255, 255)


async def test_a_colour_that_stands_for_transparent_leaves_no_fringe(probe):
    for mode, key in (("RGB", (255, 0, 255)), ("P", 1)):
        drawn = Image.new("RGB", (1280, 960), "magenta")
        ImageDraw.Draw(drawn).ellipse((100, 100, 1100, 860), fill="lime")
        if mode == "P":
            drawn = drawn.quantize(2, dither=Image.Dither.NONE)
            key = drawn.getpixel((0, 0))
        out = io.BytesIO()
        drawn.save(out, "PNG", transparency=key)
        image = preview(await probe(out.getvalue()))
        assert image.getpixel((1, 1))[3] == 0
        assert image.getpixel((160, 120))[3] == 255
        assert all(red < 90 and blue < 90 for red, _, blue, alpha in image.get_flattened_data() if alpha > 40), mode


async def test_colours_are_those_that_the_profile_means(probe):
    for kind in ("PNG", "JPEG", "WEBP"):
        for mode in ("RGB", "RGBA"):
            if (kind, mode) == ("JPEG", "RGBA"):
                continue
            out = io.BytesIO()
            Image.new(mode, (400, 300), (234, 51, 35)).save(out, kind, icc_profile=files.display_p3(), quality=95)
            red, green, blue, _ = preview(await probe(out.getvalue())).getpixel((100, 100))
            assert red > 247, (kind, mode)
            assert green < 20, (kind, mode)
            assert blue < 20, (kind, mode)
    for mode in ("L", "CMYK"):  # a profile for another kind of picture is ignored
        out = io.BytesIO()
        Image.new(mode, (400, 300)).save(out, "JPEG", icc_profile=files.display_p3())
        assert (await probe(out.getvalue())).width == 400


async def test_pixels_of_films_are_no_squares(probe):
    for aspect, size in ((Fraction(4, 3), (96, 54)), (Fraction(3, 4), (72, 72))):
        facts = await probe(files.film(size=(72, 54), pixel_aspect=aspect))
        assert (facts.width, facts.height) == (facts.preview.width, facts.preview.height) == size
        assert colours(facts) == "brrr"
    turned = await probe(files.film(size=(72, 54), pixel_aspect=Fraction(4, 3), rotation=90))
    assert (turned.width, turned.height) == (54, 96)


@pytest.mark.parametrize(
    ("orientation", "expected"),
    list(enumerate(["brrr", "rbrr", "rrrb", "rrbr", "brrr", "rbrr", "rrrb", "rrbr"], start=1)),
)
async def test_orientation_is_applied_and_metadata_removed(probe, orientation, expected):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "SECRET camera"
    facts = await probe(files.picture("JPEG", exif=exif))
    assert (facts.width, facts.height) == ((400, 300) if orientation < 5 else (300, 400))
    assert colours(facts) == expected
    assert b"SECRET" not in facts.preview.webp
    assert not Image.open(io.BytesIO(facts.preview.webp)).getexif()


async def test_photos_of_today_have_previews(probe):
    for size in ((8064, 6048), (1080, 30_000)):
        facts = await probe(files.picture("JPEG", size), declared=Kind.IMAGE)
        assert (facts.width, facts.height) == size
        assert colours(facts) == "brrr"
    assert (await probe(files.picture("PNG", (1080, 20_000), mode="P"))).height == 20_000
    for kind in ("GIF", "WEBP", "PNG"):
        assert (await probe(files.animation(250, kind))).frames == 250


async def test_limits_are_settings(tmp_path):
    (tmp_path / "x").write_bytes(b"")
    cases = [
        (files.picture("PNG", (101, 100)), MediaCode.TOO_MANY_PIXELS),
        (files.picture("PNG", (100, 100)), None),
        (files.picture("JPEG", (400, 300)), None),
        (files.picture("JPEG", (401, 300)), MediaCode.TOO_MANY_PIXELS),
        (files.animation(3), None),
        (files.animation(4), MediaCode.TOO_MANY_FRAMES),
        (files.film(size=(64, 48)), None),
        (files.film(size=(128, 96)), MediaCode.TOO_MANY_PIXELS),
    ]
    async with open_prober(ProbeLimits(pixels=10_000, jpeg_pixels=120_000, frames=3)) as prober:
        for number, (data, code) in enumerate(cases):
            path = tmp_path / "medium"
            path.write_bytes(data)
            outcome = await outcome_of(prober.probe, path, sniff(data))
            assert getattr(outcome, "code", None) is code, number


async def test_a_jpeg_without_its_last_marker_is_whole_and_one_without_more_is_not(probe):
    for mode in ("RGB", "L", "CMYK"):
        photo = files.picture("JPEG", (403, 301), mode=mode)
        assert photo[-2:] == b"\xff\xd9"
        assert (await probe(photo[:-2])).width == 403, mode
        assert await refusal(probe(photo[: len(photo) * 2 // 3])) is MediaCode.BROKEN, mode


async def test_sound(probe):
    made = {
        "audio/wav": files.wav(),
        "audio/mpeg": files.sound("mp3", "libmp3lame"),
        "audio/aac": files.sound("adts", "aac"),
        "audio/mp4": files.sound("ipod", "aac"),
        "audio/ogg": files.sound("ogg", "libopus"),
        "audio/webm": files.sound("webm", "libopus"),
        "audio/flac": files.sound("flac", "flac"),
        "audio/x-matroska": files.sound("matroska", "flac"),
    }
    for mime, data in made.items():
        facts = await probe(data, declared=Kind.AUDIO)
        assert isinstance(facts, AudioFacts)
        assert facts.format.mime == mime
        assert abs(facts.duration_ms - 2000) < 150, mime
        assert len(facts.waveform) == 64
        assert min(facts.waveform[2:28]) > 150
        assert max(facts.waveform[38:]) < 30
    lossless = await probe(files.sound("ipod", "alac"), declared=Kind.AUDIO)
    assert (lossless.format.mime, len(lossless.waveform)) == ("audio/mp4", 64)
    assert len((await probe(files.wav(0.01))).waveform) == 64
    assert await refusal(probe(made["audio/webm"], declared=Kind.VIDEO)) is MediaCode.KIND_MISMATCH


async def test_film(probe):
    for container, codec in (
        *(("mp4", "libx264"), ("mp4", "mpeg4"), ("webm", "libvpx"), ("webm", "libvpx-vp9")),
        *(("mov", "libx264"), ("mov", "mjpeg"), ("mkv", "libx264"), ("mkv", "libvpx-vp9")),
    ):
        facts = await probe(files.film(container, codec), declared=Kind.VIDEO)
        assert isinstance(facts, VideoFacts)
        assert (facts.width, facts.height, facts.duration_ms) == (64, 48, 2000)
        assert facts.format.mime == {"mov": "video/quicktime", "mkv": "video/x-matroska"}.get(
            container, f"video/{container}"
        )
        assert colours(facts) == "brrr"
    assert await refusal(probe(files.film(), declared=Kind.AUDIO)) is MediaCode.KIND_MISMATCH
    for turned, expected in ((90, "rrbr"), (180, "rrrb"), (-90, "rbrr")):
        facts = await probe(files.film(rotation=turned))
        assert (facts.width, facts.height) == ((64, 48) if turned == 180 else (48, 64))
        assert colours(facts) == expected


async def test_streams_of_different_lengths_and_pauses_are_whole(probe):
    for container in ("mp4", "webm"):
        for picture, sound in ((1.0, 5.0), (0.1, 4.0), (3.0, 1.0)):
            facts = await probe(files.film_with_sound(picture, sound, container), declared=Kind.VIDEO)
            assert abs(facts.duration_ms - 1000 * max(picture, sound)) < 60, (container, picture, sound)
            assert (facts.width, facts.height) == (64, 48)
        film = files.film_with_sound(1.0, 5.0, container)
        assert await refusal(probe(film[: len(film) - 500])) is MediaCode.BROKEN
    for container in ("ogg", "webm"):
        facts = await probe(files.voice_with_pause(container), declared=Kind.AUDIO)
        assert abs(facts.duration_ms - 6000) < 100, container
        assert min(facts.waveform[1:10]) > 100
        assert max(facts.waveform[14:50]) < 30, "the pause is where it was"
        assert min(facts.waveform[55:63]) > 100
    late = await probe(files.voice_with_pause("webm", starts_at=3600.0), declared=Kind.AUDIO)
    assert abs(late.duration_ms - 6000) < 100, "a part of a stream begins late"


async def test_hostile_files_get_a_typed_error_and_the_worker_lives(probe):
    await probe(files.picture())
    pid = probe.prober._idle[0].process.pid
    photo, tone, fast = files.picture("JPEG"), files.wav(), files.film(fast_start=True)
    noise = io.BytesIO()
    Image.effect_noise((500, 500), 90).save(noise, "PNG")
    cases = [
        (files.png_bomb(), None, MediaCode.TOO_MANY_PIXELS),
        (files.png_bomb(7072), None, MediaCode.TOO_MANY_PIXELS),
        (files.gif_bomb(), None, MediaCode.TOO_MANY_FRAMES),
        (photo[: len(photo) // 2], None, MediaCode.BROKEN),
        (noise.getvalue()[:50_000], None, MediaCode.BROKEN),
        (files.picture("WEBP")[:-100], None, MediaCode.BROKEN),
        (photo, PNG, MediaCode.BROKEN),
        (b"", PNG, MediaCode.BROKEN),
        (tone[:44], None, MediaCode.BROKEN),
        (b"ID3" + bytes(5000), None, MediaCode.BROKEN),
        (fast[: len(fast) * 2 // 3], None, MediaCode.BROKEN),
        (files.film()[:-400], None, MediaCode.BROKEN),
        (b"\x00\x00\x00\x18ftypmp42" + bytes(12) + os.urandom(5000), None, MediaCode.BROKEN),
    ]
    for number, (data, sniffed, code) in enumerate(cases):
        assert await refusal(probe(data, sniffed)) is code, number
    assert (await probe(files.picture())).width == 400
    assert probe.prober._idle[0].process.pid == pid


async def test_every_cut_of_small_files_is_facts_or_a_typed_error(probe):
    for data in (
        files.picture("GIF", (20, 20)),
        files.picture("JPEG", (20, 20)),
        files.wav(0.1),
        files.film(seconds=0.3),
    ):
        sniffed = sniff(data)
        for at in range(16, len(data), max(1, len(data) // 12)):
            outcome = await outcome_of(probe, data[:at], sniffed)
            assert not isinstance(outcome, MediaError) or outcome.code in {MediaCode.BROKEN, MediaCode.UNSUPPORTED}


async def test_attachments_are_not_probed(probe):
    with pytest.raises(ValueError):
        await probe(b"x", ATTACHMENT)


async def test_a_killed_worker_is_replaced(probe):
    await probe(files.picture())
    worker = probe.prober._idle[0].process
    os.kill(worker.pid, signal.SIGKILL)
    await worker.wait()
    assert (await probe(files.picture())).width == 400
    assert probe.prober._idle[0].process.pid != worker.pid


async def test_a_cancel_kills_the_worker(probe, tmp_path):
    await probe(files.picture())
    worker = probe.prober._idle[0].process
    with trio.CancelScope() as scope:
        scope.cancel()
        await probe.prober.probe(tmp_path / "medium", PNG)
    assert scope.cancelled_caught
    assert worker.returncode is None or not probe.prober._idle
    async with trio.open_nursery() as nursery:
        fifo = tmp_path / "fifo"
        os.mkfifo(fifo)
        holder = os.open(fifo, os.O_RDWR)
        nursery.start_soon(probe.prober.probe, fifo, PNG)  # the child waits for bytes that never come
        await trio.testing.wait_all_tasks_blocked(0.05)
        nursery.cancel_scope.cancel()
    os.close(holder)
    assert worker.returncode == -signal.SIGKILL
    assert not probe.prober._idle


FAKE = "import os, sys, socket, time; s = socket.socket(fileno=0); s.sendall(b'ready\\n'); "
HANG = "s.recv(1); time.sleep(1e6)"
ENDLESS = "r = socket.recv_fds(s, 256, 2)\nwhile True: os.write(r[1][1], bytes(4096))"
CRASH = "s.recv(1)"
NEVER = "import time; time.sleep(1e6)"
SIGNALLED = "r = socket.recv_fds(s, 256, 2); [os.close(fd) for fd in r[1]]; s.sendall(b'{}\\n'); s.recv(1)"


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (FAKE + ENDLESS, MediaCode.BROKEN),
        (FAKE + CRASH, MediaCode.PROBE_UNAVAILABLE),
        ("raise SystemExit(3)", MediaCode.PROBE_UNAVAILABLE),
        (FAKE + SIGNALLED.format(-9), MediaCode.TOO_COSTLY),
        (FAKE + SIGNALLED.format(-11), MediaCode.BROKEN),
        (FAKE + SIGNALLED.format(0), MediaCode.TOO_COSTLY),
    ],
)
async def test_a_worker_that_misbehaves(script, code, tmp_path):
    (tmp_path / "x").write_bytes(files.picture())
    async with open_prober(command=[sys.executable, "-S", "-c", script]) as prober:
        assert await refusal(prober.probe(tmp_path / "x", PNG)) is code
        assert not prober._idle or code is MediaCode.TOO_COSTLY


@pytest.mark.parametrize(
    ("script", "code"), [(FAKE + HANG, MediaCode.TOO_COSTLY), (NEVER, MediaCode.PROBE_UNAVAILABLE)]
)
async def test_a_worker_that_hangs_is_killed_at_its_deadline(script, code, tmp_path, mock_clock, monkeypatch):
    monkeypatch.setattr(probe_module, "REAP_SECONDS", float("inf"))  # a real process takes real time to end
    (tmp_path / "x").write_bytes(files.picture())
    if code is MediaCode.TOO_COSTLY:
        mock_clock.rate = 1.0  # until it is ready: that takes real milliseconds
        monkeypatch.setattr(probe_module._Worker, "run", _then_jump(mock_clock, probe_module._Worker.run))
    else:
        mock_clock.autojump_threshold = 0
    async with open_prober(command=[sys.executable, "-S", "-c", script]) as prober:
        assert await refusal(prober.probe(tmp_path / "x", PNG)) is code
        assert not prober._idle


def _then_jump(clock, run):
    async def wrapped(*args):
        clock.rate, clock.autojump_threshold = 0.0, 0
        return await run(*args)

    return wrapped


async def test_the_queue_for_a_worker_is_bounded(tmp_path, mock_clock):
    mock_clock.autojump_threshold = 0
    async with open_prober(wait_seconds=5.0) as prober:
        await prober._turns.acquire_on_behalf_of("another")
        assert await refusal(prober.probe(tmp_path / "x", PNG)) is MediaCode.PROBE_UNAVAILABLE
    assert trio.current_time() < 100


async def test_no_prober_after_the_end(tmp_path):
    async with open_prober() as prober:
        pass
    assert await refusal(prober.probe(tmp_path / "x", PNG)) is MediaCode.PROBE_UNAVAILABLE
