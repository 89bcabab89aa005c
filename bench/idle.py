"""`idle`: the server's memory per logged-in connection that says nothing, at growing numbers."""

import time
from typing import Any

from bench import target
from bench.links import Link, open_links
from bench.town import apart

GROUP = 500


def run(connections: int, *, transport: str = "tcp", steps: int = 3, watch: float = 2.0) -> dict[str, Any]:
    """Everybody is in one group of 500 (the last may be smaller); memory after each step, CPU while all are silent."""
    size = min(GROUP, connections)
    people = -(-connections // size) * size
    links: list[Link] = []
    with target.server(people, apart(people // size, size), transport=transport) as served:
        tokens = [person.token for person in served.town.people]
        base = served.usage()
        rows: list[dict[str, Any]] = []
        for step in range(1, steps + 1):
            upto = connections * step // steps
            began, before = time.monotonic(), served.usage()
            links += open_links(served.url, tokens[len(links) : upto])
            after = served.usage()
            taken = time.monotonic() - began
            rows.append(
                {
                    "connections": upto,
                    "bytes_per_connection": round((after["rss"] - base["rss"]) / upto),
                    "logins_per_second": round((upto - connections * (step - 1) // steps) / taken),
                    "server_cpu_us_per_login": round(
                        (after["cpu"] - before["cpu"]) / (upto - connections * (step - 1) // steps) * 1e6
                    ),
                    "rss": after["rss"],
                }
            )
        quiet = served.usage()
        time.sleep(watch)
        later = served.usage()
        for link in links:
            link.close()
    return {
        "options": {"connections": connections},
        "empty_rss": base["rss"],
        "steps": rows,
        "bytes_per_connection": rows[-1]["bytes_per_connection"],
        "idle_cpu_share": round((later["cpu"] - quiet["cpu"]) / (later["at"] - quiet["at"]), 4),
    }
