"""`redpack …`, `wallet …` and `audit`: exact amounts, shapes for scripts, offline proofs, books that name what is wrong."""

import json
import shutil
import sqlite3
from collections.abc import Generator
from pathlib import Path
from typing import Any

import attrs
import pytest
from support.cli_kit import Shell, serving_here


@attrs.frozen
class Site:
    """Three people with a group; ann is an operator."""

    data: Path
    ann: Shell
    bob: Shell
    chen: Shell

    def send(self, *arguments: str) -> dict[str, Any]:
        """A packet of ann's."""
        return self.ann.call("redpack", "send", "club", *arguments, "--json").record


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Generator[Site]:
    home = tmp_path_factory.mktemp("home")
    data = home / "data"
    with serving_here(data) as url:
        here = Shell(home, url)
        site = Site(data, *(here.register(name) for name in ("ann", "bob", "chen")))
        here.call("operator", "add", "ann", "--data", str(data))
        site.ann.call("wallet", "grant", "ann", "1000")
        site.ann.call("group", "create", "club", "bob", "chen")
        yield site


def packets_of(shell: Shell, packet: str) -> dict[str, Any]:
    return shell.call("redpack", "show", packet, "--json").record


def refused(shell: Shell, *arguments: str) -> str:
    """The code with which a command is refused; it prints nothing on standard output."""
    done = shell.call(*arguments, "--json", code=1)
    assert done.out == ""
    return json.loads(done.err)["error"]


def test_a_packet_from_hand_to_hand(site: Site, tmp_path: Path) -> None:
    before = site.ann.call("wallet", "balance", "--json").record["cents"]
    sent = site.send("8.88", "2", "--greeting", "周末愉快")
    packet = sent["packet_id"]
    assert {type(sent[key]) for key in ("id", "group_id", "packet_id")} == {str}
    assert (sent["total_cents"], sent["count"], sent["mode"]) == (888, 2, "lucky")
    assert site.ann.call("wallet", "balance", "--json").record["cents"] == before - 888
    (told,) = site.bob.call("history", "club", "--json", "--after", str(sent["seq"] - 1)).records
    assert (told["kind"], told["text"], told["packet"]["packet_id"]) == ("redpack", "周末愉快", packet)
    assert "ann: [red packet 8.88 in 2] 周末愉快" in site.bob.call("history", "club").out

    assert f"chatsrv redpack open {packet}" in site.bob.call("redpack", "grab", packet).out
    assert site.bob.call("redpack", "grab", packet, "--json").record == {
        "packet_id": packet, "answer": "open_to_you", "cents": 0,
    }  # fmt: skip
    first = site.bob.call("redpack", "open", packet, "--json").record
    assert (first["packet_id"], first["number"], first["left"]) == (packet, 0, 1)
    assert refused(site.bob, "redpack", "open", packet) == "already_had"
    assert site.bob.call("redpack", "grab", packet, "--json").record["cents"] == first["cents"]
    assert f"¥{first['cents'] // 100}.{first['cents'] % 100:02d}" in site.bob.call("redpack", "grab", packet).out

    live = packets_of(site.chen, packet)
    assert (live["state"], live["server_seed"], live["luckiest"]) == ("live", None, None)
    assert live["remaining_cents"] == 888 - first["cents"]
    assert refused(site.chen, "redpack", "verify", packet) == "not_yet"

    assert "0 of 2 shares are left" in site.chen.call("redpack", "open", packet).out
    assert site.ann.call("redpack", "grab", packet, "--json").record["answer"] == "exhausted"
    assert "all shares are taken" in site.ann.call("redpack", "grab", packet).out
    shown = packets_of(site.ann, packet)
    assert shown["state"] == "exhausted"
    assert [opening["name"] for opening in shown["opened"]] == ["bob", "chen"]
    assert sum(opening["cents"] for opening in shown["opened"]) == 888
    assert {type(opening["user_id"]) for opening in shown["opened"]} == {str}
    assert shown["commitment"] == sent["commitment"]
    assert len(bytes.fromhex(shown["server_seed"])) == 32
    best = max(shown["opened"], key=lambda opening: opening["cents"])
    assert shown["luckiest"] == best["number"] or len({opening["cents"] for opening in shown["opened"]}) == 1
    table = site.ann.call("redpack", "show", packet).out
    assert "¥8.88, 2 of 2 shares opened, exhausted; ¥0.00 left" in table
    assert "luckiest" in table
    assert "2 shares follow from the seeds" in site.bob.call("redpack", "verify", packet).out
    assert sum(site.bob.call("redpack", "verify", packet, "--json").record["shares"]) == 888

    # Without a server: from the file alone.
    file = tmp_path / "packet.json"
    file.write_text(site.ann.call("redpack", "show", packet, "--json").out)
    alone = Shell(tmp_path)
    assert alone.call("redpack", "verify", str(file), "--json").record["ok"] is True
    # Against what the message said before anybody opened it: a server that swaps seed and commitment is caught.
    seen = ("--commitment", sent["commitment"], "--client-seed", shown["client_seed"])
    assert alone.call("redpack", "verify", str(file), *seen, "--json").record["ok"] is True
    assert refused(alone, "redpack", "verify", str(file), "--commitment", "00" * 32) == "not_fair"
    assert refused(alone, "redpack", "verify", str(file), "--client-seed", "00" * 32) == "not_fair"
    assert "64 hexadecimal digits" in alone.call("redpack", "verify", str(file), "--commitment", "00", code=2).err
    for change in ({"server_seed": "00" * 32}, {"client_seed": "00" * 32}, {"total_cents": 889}, {"luckiest": 5}):
        file.write_text(json.dumps({**shown, **change}))
        assert alone.call("redpack", "verify", str(file), code=1).out == ""
    swapped = [{**shown["opened"][0], "cents": first["cents"] + 1}, shown["opened"][1]]
    file.write_text(json.dumps({**shown, "opened": swapped}))
    assert refused(alone, "redpack", "verify", str(file)) == "not_fair"


@pytest.mark.parametrize(("content", "error"), [(None, "file"), ("{", "file"), ("[]", "file"), ("{}", "not_yet")])
def test_a_file_that_is_no_packet(tmp_path: Path, content: str | None, error: str) -> None:
    file = tmp_path / "packet.json"
    if content is not None:
        file.write_text(content)
    assert refused(Shell(tmp_path), "redpack", "verify", str(file)) == error
    file.write_text("[" * 100_000)
    assert refused(Shell(tmp_path), "redpack", "verify", str(file)) == "file"
    file.write_text('{"server_seed": "00"}')
    assert refused(Shell(tmp_path), "redpack", "verify", str(file)) == "bad_reveal"


def test_equal_shuffled_and_for_one(site: Site) -> None:
    equal = site.send("0.06", "3", "--equal")["packet_id"]
    assert site.bob.call("redpack", "open", equal, "--json").record["cents"] == 2
    shuffled = site.send("5", "2", "--shuffled")
    assert shuffled["mode"] == "shuffled"
    named = site.send("1.5", "1", "--for", "bob")
    assert (named["mode"], named["total_cents"]) == ("named", 150)
    assert (
        packets_of(site.chen, named["packet_id"])["receiver_id"] == site.bob.call("whoami", "--json").record["user_id"]
    )
    assert site.chen.call("redpack", "grab", named["packet_id"], "--json").record["answer"] == "not_for_you"
    assert refused(site.chen, "redpack", "open", named["packet_id"]) == "not_for_you"
    assert "you got ¥1.50" in site.bob.call("redpack", "open", named["packet_id"]).out
    assert (
        "exclude each other"
        in site.ann.call("redpack", "send", "club", "1", "1", "--equal", "--for", "bob", code=2).err
    )


@pytest.mark.parametrize(
    "amount", ["0.015", "-1", "1e3", "１.00", "1,5", "", " 1", "01", "1.", "nan", "0x10", "9" * 20]
)
def test_amounts_are_read_exactly_or_refused(site: Site, amount: str) -> None:
    for arguments in (
        ("redpack", "send", "club", "--", amount, "1"),
        ("wallet", "grant", "--", "bob", amount),
        ("wallet", "withdraw", "--", amount),
    ):
        done = site.ann.call(*arguments, code=2)
        assert done.out == ""
        assert "amount" in done.err


def test_what_a_packet_cannot_be(site: Site) -> None:
    before = site.ann.call("wallet", "balance", "--json").record
    for arguments, error in (
        (("0.01", "2"), "bad_count"),
        (("0.05", "3", "--equal"), "bad_amount"),
        (("0", "1"), "bad_field"),
        (("5", "2", "--for", "bob"), "bad_count"),
        (("100", "501"), "bad_field"),
        (("200.01", "1"), "bad_amount"),
        (("200", "1", "--for", "nobody"), "user_unknown"),
    ):
        assert refused(site.ann, "redpack", "send", "club", *arguments) == error, arguments
    assert refused(site.chen, "redpack", "open", "12345") == "packet_unknown"
    assert site.ann.call("redpack", "send", "club", "1", "0", code=2).err
    assert site.ann.call("redpack", "grab", "many", code=2).err
    assert refused(site.bob, "redpack", "send", "club", "199", "1") == "insufficient_funds"
    assert site.ann.call("wallet", "balance", "--json").record == before


def test_a_wallet(site: Site) -> None:
    dora = site.ann.register("dora")
    assert dora.call("wallet", "balance").out == "¥0.00\n"
    assert dora.call("wallet", "statement", "--json").out == ""
    assert refused(dora, "wallet", "grant", "dora", "5") == "operator_only"
    assert site.ann.call("wallet", "grant", "dora", "12.3", "--json").record == {"name": "dora", "cents": 1230}
    assert site.ann.call("wallet", "grant", "dora", "¥0.07").out == "dora has ¥12.37 now\n"
    assert refused(dora, "wallet", "withdraw", "100") == "insufficient_funds"
    done = dora.call("wallet", "withdraw", "2.37", "--json").record
    assert done["cents"] == 1000
    assert dora.call("wallet", "balance", "--json").record == {"cents": 1000}
    lines = dora.call("wallet", "statement", "--json").records
    assert [(line["kind"], line["cents"]) for line in lines] == [("withdraw", -237), ("grant", 7), ("grant", 1230)]
    assert (lines[0]["about"], lines[1]["about"]) == (done["id"], None)
    assert {type(line["id"]) for line in lines} == {str}
    shown = dora.call("wallet", "statement").out
    assert "-¥2.37" in shown
    assert shown.endswith("balance: ¥10.00\n")
    assert len(dora.call("wallet", "statement", "--limit", "1", "--json").records) == 1
    assert dora.call("wallet", "statement", "--limit", "0", code=2).err


def damaged(data: Path, copy: Path, change: str) -> Path:
    """A copy of a stopped server's folder in which somebody changed something on the disk."""
    shutil.copytree(data, copy, ignore=shutil.ignore_patterns("*.lock", "*.sock"))
    with sqlite3.connect(copy / "chat.sqlite3") as database:
        for (trigger,) in database.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            database.execute(f'drop trigger "{trigger}"')  # the ledger refuses changes, as long as it can
        database.execute(change)
    database.close()
    database.close()
    return copy


def test_an_audit_names_what_is_wrong(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving_here(data) as url:
        ann = Shell(tmp_path, url).register("ann")
        ann.call("operator", "add", "ann", "--data", str(data))
        ann.call("wallet", "grant", "ann", "10")
        ann.call("group", "create", "club")
        packet = ann.call("redpack", "send", "club", "4", "2", "--json").record["packet_id"]
        ann.call("redpack", "open", packet)
        assert "in use" in ann.call("audit", str(data), code=1).err
    shell = Shell(tmp_path)
    assert shell.call("audit", str(data)).out == f"{data}: no problem found\n"
    assert shell.call("audit", str(data), "--json").record == {"folder": str(data), "ok": True, "problems": 0}

    posting = damaged(data, tmp_path / "posting", "update transfer set cents = cents + 1 where kind = 'grant'")
    found = shell.call("audit", str(posting), "--json", code=1).records
    assert found[-1]["ok"] is False
    assert found[-1]["problems"] == len(found) - 1
    assert any("its checksum is wrong" in one["problem"] for one in found[:-1])

    share = damaged(data, tmp_path / "share", "update redpack_record set cents = cents + 1")
    found = shell.call("audit", str(share), code=1).out
    assert f"red packet {packet}: " in found
    left = damaged(data, tmp_path / "left", "update redpack set remaining_cents = remaining_cents - 1")
    assert f"red packet {packet}: " in shell.call("audit", str(left), code=1).out
    assert "problem" in shell.call("check", str(left), code=1).out
