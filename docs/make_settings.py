"""Writes docs/settings.md from the settings themselves: python docs/make_settings.py (a test says whether it is current)."""

from pathlib import Path

from chatsrv.config import SETTINGS, Setting

TARGET = Path(__file__).parent / "settings.md"

INTRODUCTION = """\
# Settings

Written by `python docs/make_settings.py` from the fields of `chatsrv.Config`. A setting has the same name in the TOML
file; the environment and the flags of `chatsrv serve` write it as the table shows. The flag wins over the environment,
and that over the file. Secrets have no flag, since `ps` shows flags to everybody.

| name | variable | flag | value | default | what it is |
| --- | --- | --- | --- | --- | --- |
"""


def _row(setting: Setting) -> str:
    flag = "" if setting.is_secret else f"`{setting.flag}`"
    value = setting.unit or setting.metavar.replace("|", ", ") or "yes, no"
    default = f"{setting.default}".replace("|", ", ")
    return f"| `{setting.name}` | `{setting.variable}` | {flag} | {value} | {default} | {setting.help} |\n"


def files() -> dict[Path, str]:
    """Return the page."""
    return {TARGET: INTRODUCTION + "".join(map(_row, SETTINGS.values()))}


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
