"""What Tab completes in a chat: names after @, commands after /, and groups after /go."""

from collections.abc import Callable, Sequence

from chatsrv_names import name_key


def complete(
    before: str, *, people: Sequence[str], groups: Sequence[str], commands: Callable[[], Sequence[str]]
) -> tuple[int, list[str]]:
    """Return (how many characters before the cursor are replaced, what may stand there instead, in order).

    before:   what stands on the line before the cursor.
    commands: called only where a command is being typed, since making the list loads every command.
    """
    if before.startswith("/go "):
        return _matching(before.removeprefix("/go "), sorted(groups), "")
    if before.startswith("/") and not before.startswith("//"):
        return _matching(before[1:], sorted(commands()), "")
    at = max(before.rfind("@"), before.rfind("＠"))
    if at < 0:
        return 0, []
    count, found = _matching(before[at + 1 :], [*sorted(people), "all"], " ")
    return count, found


def _matching(typed: str, names: Sequence[str], after: str) -> tuple[int, list[str]]:
    wanted = name_key(typed)
    return len(typed), list(dict.fromkeys(f"{name}{after}" for name in names if name_key(name).startswith(wanted)))
