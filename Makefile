# make build        write templates, policies and diagrams, linted; what plain `make` does
# make rehearse     deploy and destroy everything on this machine, without an AWS account
#                   FAULT=rollback makes a step fail; ARGS="--stay" passes options on
# make serve        run the service on this machine; ARGS="--port 8081" passes options on
# make test         run the tests
# make check        run before a commit: format, lint, types, tests, committed files up to date
# make format       reformat the code
# make acceptance   build the image, run and fuzz it, rehearse with it (needs root or a container engine)
# make audit        run other tools on the templates (needs node)
# make bench        measure
# make pins         rewrite service/requirements.txt
# make clean        delete the environments that these targets made

# GNU Make 3.81 or newer.

VENV := .venv
BIN := $(VENV)/bin

# The first interpreter that is 3.11 or newer and can create a virtual environment.
USABLE := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c '$(USABLE)' >/dev/null 2>&1 && { echo $$python; break; }; done)

# $(call install,EXTRAS,PACKAGES): pip is silent, so a line names what it installs, with a dot for each second.
install = printf "Installing $(2) into $(VENV) " && { \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(1)]' & \
	pid=$$!; trap "kill $$pid" INT TERM; while kill -0 $$pid 2>/dev/null; do printf .; sleep 1; done; echo; wait $$pid; }
COMMA := ,

MINISTACK := .ministack/stamp

.PHONY: build help rehearse serve test check format acceptance audit bench pins clean redis-server container-engine wrk

build: $(VENV)/build.stamp
	@$(BIN)/python build.py

help:
	@sed -n '/^# make/,/^$$/ s/^# //p' Makefile

rehearse: $(VENV)/rehearse.stamp $(MINISTACK) redis-server
	@$(BIN)/python build.py rehearse $(if $(FAULT),--fault $(FAULT)) $(ARGS)

serve: $(VENV)/serve.stamp
	@$(BIN)/python build.py serve $(ARGS)

# Four processes, a file each: most of the time passes until servers have started.
test: $(VENV)/test.stamp $(MINISTACK) redis-server
	$(BIN)/python -m pytest -n 4 --dist loadfile

check: $(VENV)/all.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(MAKE) test
	$(BIN)/python build.py --check

format: $(VENV)/test.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

acceptance: $(VENV)/all.stamp redis-server container-engine
	$(BIN)/python -m pytest acceptance tests/project/test_dockerfile.py

# cdk-nag needs node. Each tool has its own environment, which takes a minute the first time.
audit: $(VENV)/build.stamp
	@$(BIN)/python -m audit

bench: $(VENV)/all.stamp $(MINISTACK) redis-server wrk
	$(BIN)/python -m benchmarks.generator
	$(BIN)/python -m benchmarks.commands
	$(BIN)/python -m benchmarks.service

pins: $(VENV)/all.stamp
	$(BIN)/python -m acceptance.pins

clean:
	rm -rf $(VENV) .audit .ministack

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "Python 3.11 or newer with its venv module is missing: apt-get install python3-venv, or brew install python" >&2; \
		exit 1; fi
	@echo "Making a virtual environment in $(VENV) with $(PYTHON) ..."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/build.stamp: setup.cfg pyproject.toml constraints.txt | $(BIN)/python
	@$(call install,deploy$(COMMA)lint,Troposphere$(COMMA) cfn-lint and boto3)
	@touch $@

$(VENV)/serve.stamp: setup.cfg pyproject.toml constraints.txt | $(BIN)/python
	@$(call install,serve,the service and Valkey)
	@touch $@

$(VENV)/rehearse.stamp: setup.cfg pyproject.toml constraints.txt | $(BIN)/python
	@$(call install,rehearse,Troposphere$(COMMA) cfn-lint$(COMMA) boto3 and the service)
	@touch $@ $(VENV)/build.stamp

$(VENV)/test.stamp: setup.cfg pyproject.toml constraints.txt | $(BIN)/python
	@$(call install,test,everything for the tests)
	@touch $@ $(VENV)/build.stamp $(VENV)/rehearse.stamp $(VENV)/serve.stamp

$(VENV)/all.stamp: setup.cfg pyproject.toml constraints.txt | $(BIN)/python
	@$(call install,acceptance$(COMMA)bench$(COMMA)test,everything for tests$(COMMA) acceptance and benchmarks)
	@touch $@ $(VENV)/test.stamp $(VENV)/build.stamp $(VENV)/rehearse.stamp $(VENV)/serve.stamp

# The emulator pins another botocore, so it has its own environment.
$(MINISTACK): rehearsal/emulator/requirements.txt | $(BIN)/python
	@$(BIN)/python -m rehearsal.emulator.environment
	@touch $@

# RUNLEVEL=1 keeps Debian's package from starting a server.
redis-server:
	@if ! command -v redis-server >/dev/null; then \
		if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
			apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
			apt-get install -qq --yes --no-install-recommends redis-server >/dev/null; \
		elif command -v brew >/dev/null; then brew install --quiet redis; \
		else echo "redis-server is missing: sudo apt-get install redis-server" >&2; exit 1; fi; fi

# Docker if its engine answers. Otherwise buildah and podman, which need no daemon; debootstrap makes a base image where
# none can be pulled.
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
