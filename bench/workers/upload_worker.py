"""A child process of `mixed`: people who upload pictures and send them, and others of the group who fetch them.

One picture after the other, each due at a fixed time; what is fetched is compared with what was brought, byte by byte.
"""

import http.client
import io
import sys
import time
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from PIL import Image

from bench.reporting.histogram import Latencies
from bench.scenarios.redpack import client_id
from bench.workers.control import hear_line, say, usage
from bench.workers.sockets import ClientSocket, LoginFailed, open_links
from bench.workers.streams import WrongStream
from chatsrv_protocol import encode
from chatsrv_protocol.media import SendMedia

SENT: Final = 0x0340
PICTURES: Final = 16
"""Different ones that are made before the start, and sent in turn; each name is new."""


def picture(number: int) -> bytes:
    """Return a photo of VGA size, about 60 KB."""
    noise: Any = Image.effect_noise((160, 120), 60)
    image: Image.Image = noise.convert("RGB").resize((640, 480))
    image.paste((number * 15 % 256, 100, 200), (0, 0, 100, 100))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85)
    return out.getvalue()


class Photographer:
    """Who uploads: one connection for the messages; the bytes go by HTTP."""

    def __init__(self, link: ClientSocket, token: str, watcher: str, group_id: int) -> None:
        self.link = link
        self.token = token
        self.watcher = watcher
        self.group_id = group_id


class Uploading:
    """All photographers, and the one HTTP connection that they share."""

    def __init__(self, job: dict[str, Any]) -> None:
        where = urlsplit(str(job["http"]))
        self.http = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
        links = open_links(job["url"], [token for token, _, _ in job["people"]])
        self.people = [Photographer(link, *person) for link, person in zip(links, job["people"], strict=True)]
        for link in links:
            link.block()
        self.pictures = [picture(number) for number in range(PICTURES)]
        self.latency = {"picture": Latencies(), "look": Latencies()}

    def answer(self, method: str, path: str, token: str, body: bytes | None = None) -> bytes:
        """Return one request. Raises WrongStream unless it succeeded."""
        self.http.request(method, path, body, {"Authorization": f"Bearer {token}"})
        response = self.http.getresponse()
        data = response.read()
        if response.status >= 300:
            raise WrongStream(f"{method} {path} was answered {response.status}: {data[:200]!r}")
        return urljoin(path, response.headers["location"]).encode() if method == "POST" else data

    def bring(self, number: int, due: int) -> None:
        """Upload, send, and let another member look."""
        person, data = self.people[number % len(self.people)], self.pictures[number % PICTURES]
        path = self.answer("POST", "/media", person.token, data).decode()
        command = SendMedia(client_id(number), person.group_id, int(path.rpartition("/")[2]), "look")
        person.link.say(encode(command, number + 10))
        person.link.await_frame(SENT)
        sent = time.monotonic_ns()
        self.latency["picture"].add(sent - due)
        if self.answer("GET", path, person.watcher) != data:
            raise WrongStream("another member fetched other bytes than were brought")
        self.latency["look"].add(time.monotonic_ns() - sent)

    def run(self, rate: float, seconds: float) -> dict[str, Any]:
        """Upload pictures at their times."""
        before, began = usage(), time.monotonic_ns()
        number = 0
        while (due := began + int(number / rate * 1e9)) < began + int(seconds * 1e9):
            time.sleep(max(0.0, (due - time.monotonic_ns()) / 1e9))
            self.bring(number, due)
            number += 1
        after = usage()
        return {
            "seconds": after["at"] - before["at"],
            "pictures": number,
            "latency": {kind: one.dump() for kind, one in self.latency.items()},
            "cpu": after["cpu"] - before["cpu"],
            "error": None,
        }


def main() -> None:
    """Connect, say so, upload when told."""
    job = hear_line()
    assert job is not None
    uploading = Uploading(job)
    say({"connected": len(uploading.people)})
    if hear_line() is None:
        return
    try:
        say(uploading.run(job["rate"], job["seconds"]))
    except (WrongStream, LoginFailed, OSError) as wrong:
        say({"error": str(wrong) or repr(wrong)})


if __name__ == "__main__":
    sys.setswitchinterval(0.1)
    main()
