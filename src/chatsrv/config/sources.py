"""Where settings come from: a TOML file, the environment, flags; the later wins, and what is unknown is refused with a hint."""

import difflib
import math
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from chatsrv.config.schema import FIELDS, SETTINGS, Config
from chatsrv.config.settings import PREFIX
from chatsrv.config.values import Address, ConfigError

OTHER_VARIABLES: Final = frozenset(f"{PREFIX}{name}" for name in ("CONFIG", "SERVER", "PROFILE", "CA_FILE", "BIN"))
"""Variables that are no settings: the settings' file, what clients read, and where scripts keep the program's path."""

_BY_VARIABLE: Final = {setting.variable: name for name, setting in SETTINGS.items()}


def _hint(name: str, known: Sequence[str]) -> str:
    meant = difflib.get_close_matches(name, known, n=1)
    return f"did you mean '{meant[0]}'?" if meant else ""


def _from_text(name: str, text: str, where: str) -> object:
    """Parse a value from the environment as the type of the setting's default."""
    default: object = FIELDS[name].default
    if isinstance(default, bool):
        if text.lower() not in ("true", "false", "1", "0", "yes", "no"):
            raise ConfigError(f"{where}: {name} is '{text}', and must be true or false")
        return text.lower() in ("true", "1", "yes")
    try:
        return type(default)(text) if isinstance(default, (int, float)) else text
    except ValueError:
        raise ConfigError(f"{where}: {name} is '{text}', and must be a number") from None


def _checked(values: Mapping[str, object], where: str) -> dict[str, Any]:
    for name, value in values.items():
        if name not in FIELDS:
            hint = _hint(name, list(FIELDS)) or f"the settings are {', '.join(FIELDS)}"
            raise ConfigError(f"{where}: there is no setting '{name}'; {hint}")
        wanted = _misfit(FIELDS[name].default, value)
        if wanted:
            shown = repr(value) if FIELDS[name].repr else "something else"  # a key of digits alone is a secret, too
            raise ConfigError(f"{where}: {name} is {shown}, and must be {wanted}")
    return dict(values)


def _misfit(default: object, value: object) -> str:
    """Return what a value should be that is not of its default's type; "" if it is."""
    if isinstance(default, bool):
        return "" if isinstance(value, bool) else "true or false"
    if isinstance(default, int):
        return "" if type(value) is int else "a whole number"
    if isinstance(default, float):
        fits = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        return "" if fits else "a number"
    if isinstance(default, tuple):
        texts = [value] if isinstance(value, str) else value
        fits = isinstance(texts, (list, tuple)) and all(isinstance(each, str) for each in cast("list[object]", texts))
        return "" if fits else "a list of texts"
    if isinstance(default, str):
        return "" if isinstance(value, str) else "text"
    return "" if isinstance(value, (str, os.PathLike, Address)) else "text"


def load_config(file: Path | None = None, environment: Mapping[str, str] | None = None, **flags: Any) -> Config:
    """Load settings from a TOML file, then CHATSRV_NAME in the environment, then flags; the later wins, None is not set.

    The file is UTF-8 whatever the locale. A variable that begins with CHATSRV_ and is no setting is refused, as a setting of
    another name is in the file. Raises ConfigError, with the place of the fault and what would be right.
    """
    values: dict[str, Any] = {}
    if file is not None:
        try:
            values |= _checked(tomllib.loads(file.read_text(encoding="utf-8-sig")), str(file))
        except OSError as error:
            raise ConfigError(f"{file} cannot be read: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{file} is not TOML: {error}") from None
    for variable, text in (environment or {}).items():
        if not variable.startswith(PREFIX) or variable in OTHER_VARIABLES:
            continue
        setting = _BY_VARIABLE.get(variable)
        if setting is None:
            hint = _hint(variable.upper(), [*_BY_VARIABLE, *sorted(OTHER_VARIABLES)])
            hint = hint or "`chatsrv serve --help` lists the settings."
            raise ConfigError(f"the environment: {variable} is no variable of chatsrv; {hint} Else unset it")
        values[setting] = _from_text(setting, text, variable)
    values |= {name: value for name, value in flags.items() if value is not None}
    try:
        return Config(**_checked(values, "the settings"))
    except (ValueError, TypeError) as error:
        raise ConfigError(f"a setting is out of its bounds: {error.args[0] if error.args else error}") from None
