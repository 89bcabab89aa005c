"""Every setting says what it is, what 0 means, and what its default is."""

import attrs
import pytest

from chatsrv.config import SETTINGS, Config, ConfigError, Setting


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_a_setting_says_what_it_is(setting: Setting) -> None:
    assert setting.help.endswith((".", "example", "SECRET_KEY", "…"))
    assert "[default" not in setting.help, "the default is the field's"
    assert bool(setting.metavar) == (setting.kind is not bool)
    if setting.kind is float:
        assert setting.unit or setting.metavar == "N"


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_a_setting_that_may_be_0_says_what_that_means(setting: Setting) -> None:
    if setting.kind not in (int, float):
        return
    try:
        attrs.evolve(Config(), **{setting.name: setting.kind(0)})
    except (ValueError, ConfigError):
        return
    assert "0:" in setting.help or "0 to" in setting.help


def test_the_default_that_is_shown_is_the_fields() -> None:
    config = Config()
    for name, setting in SETTINGS.items():
        value = getattr(config, name)
        if setting.kind is bool:
            assert setting.default == ("yes" if value else "no")
        elif setting.kind in (int, float):
            assert setting.kind(setting.default) == value
    assert list(SETTINGS) == [field.name for field in attrs.fields(Config)]


def test_secrets_are_those_that_are_not_shown() -> None:
    assert {name for name, setting in SETTINGS.items() if setting.is_secret} == {"payout_secret", "media_s3_secret_key"}
    assert "hunter2" not in repr(Config(payout_url="https://pay.example", payout_secret="hunter2"))
