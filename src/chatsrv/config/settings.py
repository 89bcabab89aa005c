"""What people are told of a setting, wherever it can be set."""

from typing import Final

import attrs

PREFIX: Final = "CHATSRV_"
"""What the variables of the environment begin with."""


@attrs.frozen(slots=True)
class Setting:
    """What people are told of a setting: wherever it can be set, this is the source."""

    name: str
    kind: type[object]
    """Of its value in the environment and in flags: bool, int, float or str."""
    metavar: str
    """What stands for the value: its unit, where it has one; the choices; empty for a switch."""
    help: str
    default: str
    """As people read it; empty where there is none."""
    is_secret: bool

    @property
    def flag(self) -> str:
        """The flag of `chatsrv serve`. A secret has none, since `ps` shows flags to everybody."""
        dashed = self.name.replace("_", "-")
        return f"--{dashed}/--no-{dashed}" if self.kind is bool else f"--{dashed}"

    @property
    def variable(self) -> str:
        """The variable of the environment."""
        return f"{PREFIX}{self.name.upper()}"

    @property
    def unit(self) -> str:
        """The unit of a number; empty where it is a count, or no number."""
        return _UNITS.get(self.metavar, "")


_UNITS: Final = {"SECONDS": "seconds", "HOURS": "hours", "BYTES": "bytes", "KIB": "KiB", "CENTS": "cents"}


def described(metavar: str, help: str, default: str | None = None) -> dict[str, object]:  # noqa: A002
    """Return the metadata of a setting; `default` says it in words where the field's default does not."""
    return {"metavar": metavar, "help": help, "default": default}


def setting_of(field: "attrs.Attribute[object]") -> Setting:
    """Return the description of a field of Config."""
    default = field.default
    kind = type(default) if isinstance(default, (bool, int, float)) else str
    in_words: str | None = field.metadata["default"]
    if in_words is None:
        if isinstance(default, bool):
            in_words = "yes" if default else "no"
        elif isinstance(default, float):
            in_words = f"{default:g}"
        else:
            in_words = str(default) if default not in (None, "", ()) else ""
    return Setting(field.name, kind, field.metadata["metavar"], field.metadata["help"], in_words, not field.repr)
