"""Which group a name meant: names are chosen by strangers, so one that was used once goes on meaning that group.

As ssh does with hosts: the first use that is clear is remembered, beside the profile's token and for its user.

~/.config/chatsrv/profiles/PROFILE/SERVER.USER_ID.groups      mode 0600: {what makes names the same: group id}
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from chatsrv.cli import profiles
from chatsrv.cli.errors import Failure
from chatsrv_names import name_key

if TYPE_CHECKING:
    from chatsrv.cli.online import CommandContext

MOST_KNOWN: Final = 10_000
"""Names kept; the oldest is dropped first."""


class KnownGroups:
    """The names that this profile's user has used on this server. Two commands at once: what one learns can be lost.

    That is harmless: a lost name is learned again when its use is clear, and refused when it is not.
    """

    def __init__(self, here: "CommandContext") -> None:
        """Read the file of known groups. Raises Failure where it cannot be read."""
        credentials = profiles.load(here.profile, here.server)
        path = profiles.path_of(here.profile, here.server)
        self._here = here
        self._path: Path | None = None  # logged out meanwhile: nothing is known, and nothing is learned
        self._ids: dict[str, int] = {}
        if credentials is not None:
            self._path = path.with_name(f"{path.stem}.{credentials.user_id}.groups")
            self._ids = _load(self._path)

    def find(self, name: str) -> int | None:
        """Return the id of the group that this name meant; None if it was never used, or forgotten."""
        return self._ids.get(name_key(name))

    def learn(self, name: str, group_id: int) -> None:
        """Remember that the name means this group. A file that cannot be written stops no command: a note says so."""
        self._ids.pop(name_key(name), None)
        self._ids[name_key(name)] = group_id
        try:
            self._save()
        except OSError as error:
            self._here.out.note(f"'{name}' cannot be remembered in {self._path}: {error.strerror}")

    def forget(self, name: str) -> int | None:
        """Forget what the name means, and return it. Raises Failure if the file cannot be written."""
        group_id = self._ids.pop(name_key(name), None)
        if group_id is not None:
            try:
                self._save()
            except OSError as error:
                raise Failure(f"{self._path} cannot be written: {error.strerror}") from None
        return group_id

    def _save(self) -> None:
        if self._path is not None:
            kept = list(self._ids.items())[-MOST_KNOWN:]
            profiles.write_private(self._path, {name: str(group_id) for name, group_id in kept})


def _load(path: Path) -> dict[str, int]:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): int(group_id) for name, group_id in stored.items()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, AttributeError, TypeError):
        raise Failure(f"{path} is damaged: remove it, and name groups by their ids until you trust a name") from None
