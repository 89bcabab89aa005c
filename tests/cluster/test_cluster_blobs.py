"""A node knows its own blobs by how they begin."""

import pytest

from chatsrv.cluster.blobs import blob_start, pack_blob, unpack_blob


@pytest.mark.parametrize("name", ["a", "node1", "n" * 31, "n" * 32, "n" * 300, "öffentlich"])
@pytest.mark.parametrize("started_ms", [0, 127, 2**31, 1_790_000_000_000])
def test_a_blob_begins_with_its_node_and_its_start(name: str, started_ms: int) -> None:
    blob = pack_blob(name, started_ms, 7, [], [], [["typing", 1, 2, []]])
    assert blob.startswith(blob_start(name, started_ms))
    assert not blob.startswith(blob_start(name, started_ms + 1))
    assert not blob.startswith(blob_start(name + "x", started_ms))
    assert unpack_blob(blob).number == 7
