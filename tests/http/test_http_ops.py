"""Health and metrics on a listener of their own."""

import attrs
import httpx
import pytest
from support.http_kit import open_http, quick, url_of

from chatsrv.app import open_server
from chatsrv.config import Address
from chatsrv_storage.engine.job_queue import QueuedStorage


async def test_health_and_metrics() -> None:
    async with open_server(attrs.evolve(quick(), ops=Address("127.0.0.1", 0))) as server:
        base = url_of(server, "ops").replace("ops://", "http://")
        async with open_http("ann", server=server) as (_, ann), httpx.AsyncClient(base_url=base, timeout=60) as ops:
            group_id = await ann.chat.make_group("g")
            await ann.chat.say(group_id, "hello")
            await ann.medium(b"x" * 1000)
            assert (await ops.get("/healthz")).text == "ok\n"
            assert (await ops.get("/readyz")).status_code == 200
            page = (await ops.get("/metrics")).text
            values = dict(line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#"))
            assert float(values["chatsrv_connections"]) == 1
            assert float(values["chatsrv_group_commands_total"]) == 2
            assert float(values["chatsrv_commit_seconds_count"]) == 2
            assert float(values['chatsrv_commit_seconds_bucket{le="+Inf"}']) == 2
            assert 0 < float(values["chatsrv_commit_seconds_sum"]) < 60
            assert float(values['chatsrv_batch_commands_bucket{le="1"}']) == 2, "the bound of a bucket belongs to it"
            assert float(values["chatsrv_batch_commands_sum"]) == 2
            assert float(values["chatsrv_group_refusals_total"]) == 0
            assert float(values["chatsrv_media_received_bytes_total"]) == 1000
            assert float(values['chatsrv_media_uploads_total{outcome="ok"}']) == 1
            assert float(values['chatsrv_http_answers_total{method="POST",status="201"}']) == 1
            assert "chatsrv_outbox_bytes" in values
            for path in ("/healthz", "/metrics", "/readyz"):
                assert (await ann.http.get(path)).status_code == 404, "not on the clients' port"
            assert (await ops.get("/media/1")).status_code == 404
            server.services.stopping.set()
            assert (await ops.get("/readyz")).status_code == 503


async def test_a_server_whose_storage_is_unfit_takes_nobody_new(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_server(attrs.evolve(quick(), ops=Address("127.0.0.1", 0))) as server:
        base = url_of(server, "ops").replace("ops://", "http://")
        monkeypatch.setattr(QueuedStorage, "unfit_reason", "nothing watches it")
        async with httpx.AsyncClient(base_url=base, timeout=60) as ops:
            ready = await ops.get("/readyz")
            assert (ready.status_code, ready.text) == (503, "nothing watches it\n")


async def test_several_servers_count_apart() -> None:
    async with open_server(quick()) as one, open_server(quick()) as two:
        assert url_of(one, "http") != url_of(two, "http")
