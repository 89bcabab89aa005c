"""Answering, correcting, recalling, reacting, pinning, forwarding and finding, as one types it."""

from pathlib import Path

from support.cli_kit import Shell, serving


def test_a_conversation_by_command_line(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as (_, urls):
        machine = Shell(tmp_path, urls[0])
        ann, bo = machine.register("ann"), machine.register("bo")
        ann.call("group", "create", "home")
        ann.call("group", "add", "home", "bo")
        ann.call("group", "create", "work")
        ann.call("send", "home", "红包 for all")  # #3
        assert bo.call("unread").out.splitlines()[-1] == "1 unread"
        assert bo.call("reply", "home", "3", "thanks", "--mention", "ann").out == "#4 in 'home'\n"
        bo.call("read", "home")
        (group,) = [one for one in ann.call("unread", "--json").records if one["name"] == "home"]
        assert (group["unread"], group["mentions"], group["last"]["text"]) == (1, 1, "thanks")
        assert ann.call("read", "home").out == "'home': nothing unread\n"
        ann.call("edit", "home", "3", "红包 for some")
        assert "> ann: 红包 for some" in bo.call("history", "home").out
        assert bo.call("edit", "home", "3", "x", code=1).err.startswith("chatsrv: ")
        bo.call("react", "home", "3", "🧧")
        assert bo.call("react", "home", "3", "🧧").out == "it was so already\n"
        assert ann.call("react", "home", "3").out == "🧧 bo\n"
        ann.call("pin", "home", "4")
        assert bo.call("pin", "home", "--json").record["of"] == 4
        assert ann.call("receipts", "home", "3").out.splitlines() == ["bo read it", "read by 1, delivered to 1 of 1"]
        assert ann.call("versions", "home", "3").out.endswith(": 红包 for all\n")
        assert ann.call("forward", "home", "4", "work").out == "#2 in 'work'\n"
        bo.call("quiet", "home")
        ann.call("send", "home", "one more")
        assert bo.call("unread").out.splitlines()[-1] == "nothing unread, and 1 in quiet groups"
        found = []
        while not found:  # the index follows within a second; the test's own timeout is the deadline
            found = bo.call("search", "红包", "--json").records
        assert [one["text"] for one in found] == ["红包 for some"]
        ann.call("recall", "home", "3")
        assert bo.call("search", "红包", "--group", "home").out == ""
        assert "recalled a message" in bo.call("history", "home").out
