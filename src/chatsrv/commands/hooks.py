"""Hooks: what an embedding program decides about logins and about texts that others will read."""

from collections.abc import Awaitable, Callable
from enum import StrEnum

import attrs

AuthenticateHook = Callable[[str, str], Awaitable[bool | None]]
"""(name, password) → True: let in, False: refuse, None: let the server's own password decide."""


class TextKind(StrEnum):
    """The kind of a text that others will read."""

    ACCOUNT_NAME = "account_name"
    PROFILE_NAME = "profile_name"
    NICKNAME = "nickname"
    """In one group."""
    GROUP_NAME = "group_name"
    NOTICE = "notice"
    MESSAGE = "message"
    """Also the text of a forwarded message."""
    EDIT = "edit"
    CAPTION = "caption"
    """Of a medium."""
    GREETING = "greeting"
    """Of a red packet."""
    REACTION = "reaction"
    JOIN_NOTE = "join_note"
    """What somebody writes to the admins who decide whether they come in."""
    FILE_NAME = "file_name"


@attrs.frozen(slots=True)
class TextContext:
    """Who wrote a text, from where, and the group it is for."""

    user_id: int
    """0 for an account that is being made."""
    user_name: str
    session_id: int
    """The caller's device, as ListSessions names it; 0 for an account that is being made."""
    address: str
    """The caller's network address."""
    group_id: int
    """0 where the text belongs to no group yet: names of accounts, profiles, new groups and files, and notes to join."""


TextHook = Callable[[TextKind, str, TextContext], Awaitable[str | None]]
"""(what it is, the text, its context) → why it is refused, in a sentence for its author; None: it is accepted."""


@attrs.frozen(slots=True)
class Hooks:
    """What an embedding program decides. A hook that raises refuses the command with `internal`, and is logged.

    `authenticate` decides about logins. `text` is asked about every text that others will read, before it is stored, and never
    about an empty one. It runs in the caller's connection, whose later commands wait for it; a retry of a command asks
    again.
    """

    authenticate: AuthenticateHook | None = None
    text: TextHook | None = None
