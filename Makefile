# make build   emit and lint the templates          make test    run every test
# make check   all but acceptance                   make serve   the service on this machine
# make rehearse   all of it on this machine, no AWS account; FAULT=... makes one step fail; ARGS=... more options
# make acceptance   the image built, run, fuzzed; rehearsed with faults
# make audit   what neutral tools say
# make bench   how long things take                 make pins    write service/requirements.txt
# make clean   forget the environments
# GNU Make 3.81 suffices.

VENV := .venv
BIN := $(VENV)/bin

# The first interpreter that is 3.11 or newer and can make an environment.
USABLE := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3.14 python3.13 python3.12 python3.11 python3; do \
	$$python -c '$(USABLE)' >/dev/null 2>&1 && { echo $$python; break; }; done)

PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

MINISTACK := .ministack/stamp

.PHONY: build serve rehearse test check acceptance audit bench pins format clean redis-server container-engine wrk

build: $(VENV)/build.stamp
	@$(BIN)/python build.py

rehearse: $(VENV)/rehearse.stamp $(MINISTACK) redis-server
	@$(BIN)/python build.py rehearse $(if $(FAULT),--fault $(FAULT)) $(ARGS)

# Four at once, a file each: the tests mostly wait for what they have started.
test: $(VENV)/test.stamp $(MINISTACK) redis-server
	$(BIN)/python -m pytest -n 4 --dist loadfile

check: $(VENV)/all.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(MAKE) test
	$(BIN)/python build.py --check

acceptance: $(VENV)/all.stamp redis-server container-engine
	$(BIN)/python -m pytest acceptance tests/test_dockerfile.py

bench: $(VENV)/all.stamp $(MINISTACK) redis-server wrk
	$(BIN)/python -m benchmarks.generator
	$(BIN)/python -m benchmarks.commands
	$(BIN)/python -m benchmarks.service

pins: $(VENV)/all.stamp
	$(BIN)/python -m acceptance.pins

# Needs node, for cdk-nag. Each tool has an environment of its own, which takes a minute the first time.
audit: $(VENV)/build.stamp
	@$(BIN)/python -m audit

format: $(VENV)/test.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .audit .ministack

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "Python 3.11 or newer with its venv module is missing: apt-get install python3-venv, or brew install python" >&2; \
		exit 1; fi
	@echo "Making an environment in $(VENV) with $(PYTHON) ..."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/build.stamp: setup.cfg pyproject.toml constraints.txt | $(BIN)/python
	@$(PIP_INSTALL) --editable '.[deploy,lint]'
	@touch $@

$(VENV)/serve.stamp: setup.cfg pyproject.toml constraints.txt | $(BIN)/python
	@$(PIP_INSTALL) --editable '.[serve]'
	@touch $@

$(VENV)/rehearse.stamp: setup.cfg pyproject.toml constraints.txt | $(BIN)/python
	@$(PIP_INSTALL) --editable '.[rehearse]'
	@touch $@ $(VENV)/build.stamp

$(VENV)/test.stamp: setup.cfg pyproject.toml constraints.txt | $(BIN)/python
	@$(PIP_INSTALL) --editable '.[test]'
	@touch $@ $(VENV)/build.stamp $(VENV)/rehearse.stamp $(VENV)/serve.stamp

$(VENV)/all.stamp: setup.cfg pyproject.toml constraints.txt | $(BIN)/python
	@$(PIP_INSTALL) --editable '.[acceptance,bench,test]'
	@touch $@ $(VENV)/test.stamp $(VENV)/build.stamp $(VENV)/rehearse.stamp $(VENV)/serve.stamp

# The emulator of AWS, apart from the tests because it pins a botocore of its own.
$(MINISTACK): rehearsal/requirements.txt | $(BIN)/python
	@$(BIN)/python -m rehearsal.emulator
	@touch $@

# RUNLEVEL=1 keeps Debian's package from starting a server of its own; the tests start theirs.
redis-server:
	@if ! command -v redis-server >/dev/null; then \
		if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
			apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
			apt-get install -qq --yes --no-install-recommends redis-server >/dev/null; \
		elif command -v brew >/dev/null; then brew install --quiet redis; \
		else echo "redis-server is missing: sudo apt-get install redis-server" >&2; exit 1; fi; fi

# Docker if it answers. Otherwise buildah builds and podman runs, without a daemon; debootstrap makes a base where none can
# be pulled.
ENGINE := buildah podman runc debootstrap curl
container-engine:
	@if ! docker info >/dev/null 2>&1; then for tool in $(ENGINE); do \
		if ! command -v $$tool >/dev/null; then \
			if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
				apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
				apt-get install -qq --yes --no-install-recommends $(ENGINE) >/dev/null; \
			else echo "No container engine: start Docker, or, as root, apt-get install $(ENGINE)" >&2; exit 1; fi; fi; done; fi

wrk:
	@if ! command -v wrk >/dev/null; then \
		if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
			apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
			apt-get install -qq --yes --no-install-recommends wrk >/dev/null; \
		elif command -v brew >/dev/null; then brew install --quiet wrk; \
		else echo "wrk is missing: sudo apt-get install wrk" >&2; exit 1; fi; fi
