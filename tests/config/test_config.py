"""Settings from a file, the environment, flags and Python: the same names, bounds and errors."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chatsrv.cli.online import CA_FILE
from chatsrv.config import OTHER_VARIABLES, Address, Config, ConfigError, is_loopback, load_config


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:7000", "127.0.0.1", 7000),
        (":0", "127.0.0.1", 0),
        ("localhost:65535", "localhost", 65535),
        ("[::1]:7000", "::1", 7000),
        ("0.0.0.0:1", "0.0.0.0", 1),
    ],
)
def test_an_address(text: str, host: str, port: int) -> None:
    address = Address.parse(text)
    assert (address.host, address.port) == (host, port)
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize(
    "text", ["", "7000", "localhost", "localhost:", "localhost:x", "localhost:65536", "a:-1", "a:٣"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ConfigError, match="write HOST:PORT"):
        Address.parse(text)


@pytest.mark.parametrize(
    ("host", "near"),
    [
        ("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("::1%lo", True),
        ("0.0.0.0", False), ("::", False), ("192.0.2.1", False), ("chat.example", False), ("", False),
    ],
)  # fmt: skip
def test_what_is_this_machine(host: str, near: bool) -> None:
    assert is_loopback(host) is near


def test_the_later_wins(tmp_path: Path) -> None:
    file = tmp_path / "chatsrv.toml"
    file.write_text(
        'tcp = "127.0.0.1:1"\nname = "file"\nheartbeat = 5\nopen_registration = true\norigins = ["a", "b"]\n'
    )
    environment = {"CHATSRV_NAME": "environment", "CHATSRV_HEARTBEAT": "6.5", "OTHER": "x"}
    config = load_config(file, environment, name="flag", tcp=None)
    assert (config.name, config.heartbeat, config.open_registration) == ("flag", 6.5, True)
    assert config.tcp == Address("127.0.0.1", 1)
    assert config.origins == ("a", "b")
    assert load_config(file, environment).name == "environment"
    assert load_config(file).name == "file"
    assert load_config() == Config()


def test_lists_in_the_environment_have_commas() -> None:
    assert load_config(None, {"CHATSRV_ORIGINS": "https://a, https://b,"}).origins == ("https://a", "https://b")


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("YES", True), ("no", False), ("0", False)])
def test_booleans_in_the_environment(text: str, value: bool) -> None:
    assert load_config(None, {"CHATSRV_OPEN_REGISTRATION": text}).open_registration is value


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("nmae = 'x'", "no setting 'nmae'"),
        ("heartbeat = '5'", "must be a number"),
        ("heartbeat = true", "must be a number"),
        ("heartbeat = nan", "must be a number"),
        ("heartbeat = inf", "must be a number"),
        ("max_connections = 0", "out of its bounds"),
        ("max_connections = 1.5", "must be a whole number"),
        ("open_registration = 1", "must be true or false"),
        ("open_registration = 'yes'", "must be true or false"),
        ("durability = 'fast'", "out of its bounds"),
        ("node = 1024", "out of its bounds"),
        ("tcp = 7000", "tcp"),
        ("tcp = ['127.0.0.1:7000']", "tcp"),
        ("tcp = 'nowhere'", "write HOST:PORT"),
        ("data = 5", "data"),
        ("tls_cert = true", "tls_cert"),
        ("name = 5", "name"),
        ("name = ''", "out of its bounds"),
        ('name = "a\\nb"', "out of its bounds"),
        ("hartbeat = 5", r"there is no setting 'hartbeat'; did you mean 'heartbeat'\?"),
        ("origins = 5", "origins"),
        ("origins = [1]", "origins"),
        ("tls = '127.0.0.1:0'", "need a certificate"),
        ("not toml", "is not TOML"),
    ],
)
def test_a_wrong_setting_is_named(toml: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "chatsrv.toml"
    file.write_text(toml)
    with pytest.raises(ConfigError, match=words):
        load_config(file)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"CHATSRV_HEARTBEAT": "soon"}, "CHATSRV_HEARTBEAT: heartbeat is 'soon', and must be a number"),
        ({"CHATSRV_NODE": "1.5"}, "must be a number"),
        ({"CHATSRV_OPEN_REGISTRATION": "maybe"}, "must be true or false"),
        ({"CHATSRV_TCP": ""}, "write HOST:PORT"),
        ({"CHATSRV_TPC": "127.0.0.1:0"}, "CHATSRV_TPC is no variable of chatsrv; did you mean 'CHATSRV_TCP'"),
        ({"CHATSRV_tcp": "127.0.0.1:0"}, "did you mean 'CHATSRV_TCP'"),
        ({"CHATSRV_PROFIL": "ann"}, "did you mean 'CHATSRV_PROFILE'"),
        ({"CHATSRV_QQQQQQQQQ": ""}, "serve --help` lists the settings. Else unset it"),
    ],
)
def test_a_wrong_variable_is_named(environment: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_config(None, environment)


def test_variables_of_the_client_stand_beside_the_settings() -> None:
    assert load_config(None, dict.fromkeys(OTHER_VARIABLES, "x") | {"CHATSRVX": "x"}) == Config()
    assert CA_FILE in OTHER_VARIABLES


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_file_is_utf_8_whatever_the_locale(mark: str, tmp_path: Path) -> None:
    file = tmp_path / "chatsrv.toml"
    file.write_bytes(f'{mark}name = "Café 聊天"'.encode())
    script = "import sys, chatsrv.config as c, pathlib; print(ascii(c.load_config(pathlib.Path(sys.argv[1])).name))"
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-c", script, file], capture_output=True, text=True, env=environment)
    assert done.stdout.strip() == ascii("Café 聊天"), done.stderr


@pytest.mark.parametrize("flags", [{"colour": "red"}, {"node": -1}, {"heartbeat": "5"}])
def test_a_wrong_flag(flags: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        load_config(None, None, **flags)


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "missing.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not TOML"):
        load_config(tmp_path / "binary.toml")


@pytest.mark.parametrize("proxy", ["localhost", "10.0.0.0/8", "127.0.0.1:80", "::0001", "proxy.example"])
def test_a_proxy_that_no_connection_would_ever_match_is_refused(proxy: str) -> None:
    with pytest.raises(ConfigError, match=r"trusted_proxies holds .*takes single addresses"):
        Config(trusted_proxies=("127.0.0.1", proxy))
    assert Config(trusted_proxies="127.0.0.1, ::1").trusted_proxies == ("127.0.0.1", "::1")


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"redpack_min_average": 200, "redpack_max_average": 100}, "redpack_min_average"),
        ({"redpack_max_average": 2**53}, "redpack_max_average"),
        ({"redpack_hours": 1e12}, "redpack_hours"),
        ({"payout_url": "https://pay.example/"}, "payout_secret"),
        ({"payout_url": "pay.example", "payout_secret": "s"}, "payout_url"),
        ({"payout_url": "http://[::1", "payout_secret": "s"}, "payout_url"),
        ({"payout_url": "https://pay.example:x/", "payout_secret": "s"}, "payout_url"),
        ({"payout_url": "ftp://pay.example/", "payout_secret": "s"}, "payout_url"),
        ({"payout_url": "https://", "payout_secret": "s"}, "payout_url"),
    ],
)
def test_settings_of_money_that_contradict_each_other(setting: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_config(**setting)


def test_a_payment_provider_that_can_be_asked() -> None:
    assert load_config(payout_url="https://pay.example:8443/in", payout_secret="s").payout_secret == "s"


def test_a_secret_of_the_wrong_type_is_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("payout_secret = 8675309\n")
    with pytest.raises(ConfigError, match="payout_secret is something else, and must be text") as caught:
        load_config(tmp_path / "c.toml")
    assert "8675309" not in str(caught.value)
