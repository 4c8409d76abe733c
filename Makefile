# `make` alone lists the targets. Nothing needs to be set up before: a fresh clone and a Python >= 3.11 are enough.
# With uv on PATH environments are made by uv, otherwise by venv and pip; both install exactly what the locks say.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PY ?= python3
VENV ?= .venv
DEMO_VENV ?= .venv-demo
UV := $(shell command -v uv 2>/dev/null)
# uv trusts the certificates of the system, as pip does: behind a company's proxy its own list would not do.
export UV_SYSTEM_CERTS ?= 1
ARGS ?=

# A python on PATH may be a stub that cannot start, so each candidate is asked. PY itself is asked first.
CANDIDATES := $(PY) python3 python3.13 python3.12 python3.11 python
PYTHON = $(eval PYTHON := $$(shell for p in $(CANDIDATES); do \
	"$$$$p" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1 \
	&& { "$$$$p" -c 'import sys; print(sys.executable)'; break; }; done))$(PYTHON)
NO_PYTHON = stem needs Python 3.11, 3.12 or 3.13 with venv and pip, and none of "$(CANDIDATES)" is one: install it (Debian: python3 python3-venv) or name it, as in: make PY=/path/to/python3.13

# xdist: a worker for each core, at most four; a file's tests stay together so that its fixtures are built once.
WORKERS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); echo $$(( n > 4 ? 4 : n )))

# ---------------------------------------------------------------- environments

# $(call install,folder,lock)
define install
@test -n "$(PYTHON)" || { printf '%s\n' '$(NO_PYTHON)' >&2; exit 1; }
@echo "-- $(1): $(if $(UV),uv,venv and pip), $$("$(PYTHON)" -V), $(2)"
@$(1)/bin/python -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != "'$$("$(PYTHON)" -c 'import sys; print("%d.%d" % sys.version_info[:2])')'")' 2>/dev/null || rm -rf $(1)
@$(if $(UV),$(UV) venv -q --allow-existing --python "$(PYTHON)" $(1),"$(PYTHON)" -m venv $(1))
@$(if $(UV),$(UV) pip install -q --python $(1)/bin/python,$(1)/bin/python -m pip install -qq --disable-pip-version-check) --require-hashes -r $(2)
@$(if $(UV),$(UV) pip install -q --python $(1)/bin/python,$(1)/bin/python -m pip install -qq --disable-pip-version-check) --no-deps --no-build-isolation -e .
@touch $(1)/.stamp
endef

$(VENV)/.stamp: pyproject.toml requirements/dev.lock
	$(call install,$(VENV),requirements/dev.lock)

$(DEMO_VENV)/.stamp: pyproject.toml requirements/run.lock
	$(call install,$(DEMO_VENV),requirements/run.lock)

# ---------------------------------------------------------------- targets

.PHONY: help demo test test-servers check fmt lock soak bench peers venv clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(DEMO_VENV)/.stamp  ## run stem on real input: one job for every module of the standard library
	@$(DEMO_VENV)/bin/python -m examples.census $(ARGS)

test: $(VENV)/.stamp  ## run the tests; ARGS="-k lease" hands pytest more options
	@$(VENV)/bin/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

# The suites that meet a server, on those of this machine (Debian: redis-server redis-sentinel faketime), TLS included.
test-servers: $(VENV)/.stamp  ## run the tests of servers on the Redis that is installed here; needs faketime too
	@STEM_TEST_SERVERS=installed $(VENV)/bin/python -m pytest -n $(WORKERS) --dist loadfile -m "not soak" $(ARGS) \
		tests/installed tests/test_servers.py tests/engines/redis \
		tests/contracts/test_redis.py tests/contracts/test_cluster.py tests/contracts/test_partitioned.py

check: $(VENV)/.stamp  ## lint, format, types, floors, public names
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/pyright --pythonpath $(VENV)/bin/python
	$(VENV)/bin/lint-imports
	$(VENV)/bin/python -m pytest -q $(wildcard tests/test_floors.py tests/test_public.py)

fmt: $(VENV)/.stamp  ## format, and fix what ruff can fix
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

soak: $(VENV)/.stamp  ## long chaos and storm runs; STEM_SOAK_SECONDS=30 makes them short
	@$(VENV)/bin/python -m pytest -m soak --timeout 0 $(ARGS)

bench: $(VENV)/.stamp  ## measure throughput and latency on this machine
	@$(VENV)/bin/python -m tests.bench $(ARGS)

peers: $(VENV)/.stamp  ## measure stem beside other queues on Redis; ARGS="--rounds 3 --only stem,celery"
	@$(VENV)/bin/python -m tests.bench.peers $(ARGS)

venv: $(VENV)/.stamp  ## make the development environment only

lock:  ## compile the locks anew from pyproject.toml (needs uv)
	@test -n "$(UV)" || { echo "make lock needs uv on PATH: python3 -m pip install uv" >&2; exit 1; }
	$(UV) pip compile -q --universal --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --python-version 3.11 \
		pyproject.toml --extra redis --group build $(LOCKFLAGS) -o requirements/run.lock
	$(UV) pip compile -q --universal --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --python-version 3.11 \
		pyproject.toml --all-extras --group dev $(LOCKFLAGS) -c requirements/run.lock -o requirements/dev.lock
	@! grep -nE '://' requirements/*.lock

clean:  ## remove environments, caches and build output
	rm -rf $(VENV) $(DEMO_VENV) .stem dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
