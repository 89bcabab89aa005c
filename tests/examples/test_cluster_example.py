"""The complete example of a cluster: its settings are ours, its parts fit together, and its programs accept their files."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from chatsrv.config import load_config

CLUSTER = Path(__file__).parent.parent.parent / "examples" / "cluster"
PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
NODES = ("node1", "node2", "node3")


def composed() -> dict[str, Any]:
    return yaml.safe_load((CLUSTER / "compose.yaml").read_text())


def settings_of(node: str) -> dict[str, str]:
    environment = composed()["services"][node]["environment"]
    return {name: value for name, value in environment.items() if name.startswith("CHATSRV_")}


@pytest.mark.parametrize("node", NODES)
def test_each_node_of_the_composition_has_settings_that_we_know(node: str) -> None:
    config = load_config(environment=settings_of(node))
    assert config.node_name == node
    assert config.database.startswith("postgresql://")
    assert config.media_store == "s3"


def test_the_image_of_a_node_has_what_the_command_needs() -> None:
    """The command line is an extra of its own: an image without it said so and ended."""
    installed = re.search(r"pip install .*'/src\[([a-z,]+)\]'", (CLUSTER / "Dockerfile").read_text())
    assert installed is not None
    assert {"cli", "server", "media", "cluster"} <= set(installed[1].split(","))
    guide = (CLUSTER.parent.parent / "docs" / "cluster.md").read_text()
    assert set(re.findall(r"pip install '?chatsrv\[([a-z,]+)\]", guide)) == {"all,cluster"}


def test_the_composition_names_only_what_it_has() -> None:
    found = composed()
    services, volumes, networks = found["services"], found["volumes"], found["networks"]
    for name, service in services.items():
        assert set(service.get("depends_on", ())) <= set(services), name
        assert set(service.get("networks", ())) <= set(networks), name
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert source in volumes or source == "./chat.example.pem" or (CLUSTER / source).exists(), volume
        build = service.get("build")
        if build is not None:
            assert (CLUSTER / build["context"] / build["dockerfile"]).resolve() == (CLUSTER / "Dockerfile").resolve()
    settings = settings_of("node1")
    hosts = re.findall(r"(?:@|//)([a-z][a-z0-9]*)(?=[:/,]|$)", " ".join(settings[f"CHATSRV_{each}"] for each in (
        "DATABASE", "BUS", "MEDIA_S3_ENDPOINT")))  # fmt: skip
    assert set(hosts) == {"postgres", "valkey1", "valkey2", "s3"}
    assert set(hosts) <= set(services)
    assert settings["CHATSRV_TRUSTED_PROXIES"] == services["balancer"]["networks"]["inside"]["ipv4_address"]


def test_the_balancer_sends_to_the_ports_on_which_the_nodes_listen() -> None:
    text = (CLUSTER / "haproxy.cfg").read_text()
    settings = settings_of("node1")
    for setting in ("CHATSRV_TCP", "CHATSRV_HTTP"):
        port = settings[setting].rpartition(":")[2]
        assert all(f"server {node} {node}:{port}\n" in text for node in NODES)
        assert all(f"server {node} {node}:{port} no-check\n" in text for node in NODES)
    assert f"check port {settings['CHATSRV_OPS'].rpartition(':')[2]} " in text
    published = {entry.partition(":")[2] for entry in composed()["services"]["balancer"]["ports"]}
    assert published == set(re.findall(r"^    bind :(\d+)", text, re.MULTILINE))


def test_the_store_of_objects_knows_the_key_of_the_nodes() -> None:
    settings = settings_of("node1")
    text = (CLUSTER / "s3.json").read_text()
    assert f'"accessKey": "{settings["CHATSRV_MEDIA_S3_ACCESS_KEY"]}"' in text
    assert f'"secretKey": "{settings["CHATSRV_MEDIA_S3_SECRET_KEY"]}"' in text
    bucket = composed()["services"]["bucket"]["environment"]
    assert bucket["AWS_SECRET_ACCESS_KEY"] == settings["CHATSRV_MEDIA_S3_SECRET_KEY"]


def test_the_settings_of_the_units_are_ours(tmp_path: Path) -> None:
    settings = CLUSTER / "chatsrv-node.toml"
    config = load_config(settings, node_name="node1", data=tmp_path, media_s3_secret_key="secret")
    assert config.node_name == "node1"
    same = {name.removeprefix("CHATSRV_").lower() for name in settings_of("node1")} - {
        *("data", "node_name", "media_s3_secret_key", "media_s3_public_endpoint")
    }
    assert set(tomllib.loads(settings.read_text())) == same


def test_haproxy_accepts_its_configuration(tmp_path: Path) -> None:
    haproxy = shutil.which("haproxy", path=PATH)
    if haproxy is None:
        pytest.fail("haproxy is missing") if os.environ.get("CI") else pytest.skip(
            "no haproxy: apt-get install haproxy"
        )
    pem = tmp_path / "chat.example.pem"
    trustme.CA().issue_cert("chat.example").private_key_and_cert_chain_pem.write_to_path(pem)
    text = (CLUSTER / "haproxy.cfg").read_text()
    (tmp_path / "haproxy.cfg").write_text(text.replace("/etc/haproxy/chat.example.pem", str(pem)))
    done = subprocess.run(
        [haproxy, "-c", "-f", str(tmp_path / "haproxy.cfg")], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # That names of the composition mean nothing here is all that it may warn of.
    warnings = [line for line in done.stderr.splitlines() if "[WARNING]" in line]
    assert all("could not resolve address" in line for line in warnings), warnings


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("no systemd-analyze: the units are not looked over")
    for path in CLUSTER.glob("*.service"):
        text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", path.read_text(), flags=re.MULTILINE)
        (tmp_path / path.name.replace("@.", "@node1.")).write_text(text)
    units = sorted(str(path) for path in tmp_path.glob("*.service"))
    assert len(units) == 2
    done = subprocess.run([verify, "verify", *units], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


def test_each_file_is_named_where_people_look_for_it() -> None:
    guide = (CLUSTER.parent.parent / "docs" / "cluster.md").read_text()
    assert [path.name for path in CLUSTER.iterdir() if path.name not in guide] == []
