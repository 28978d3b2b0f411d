# Every task of the project. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run dev test faults unit check format bench bench-peers bench-failover bench-operator bench-scale bench-rollout bench-compare image pictures cluster cluster-load cluster-down clean

VENV := .venv
BIN := $(VENV)/bin
# The first Python that is new enough.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
CODE := runtime operator dashboards tests benchmarks examples

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

run: $(VENV)/.run ## run the bank on this machine, with a real Postgres of its own
	$(BIN)/chekov run examples/bank/bundle.yaml

dev: $(VENV)/.dev ## make .venv with everything that development needs

test: check ## run every check and every test, with a real Postgres and a real Kubernetes
	$(BIN)/python -m pytest

faults: $(VENV)/.dev ## let everything happen to real processes, ten times (ROUNDS=n, SEED=n)
	CHEKOV_FAULT_ROUNDS=$(or $(ROUNDS),10) CHEKOV_FAULT_SEED=$(SEED) $(BIN)/python -m pytest -s tests/faults

unit: $(VENV)/.dev ## run the tests that need no database and no cluster
	$(BIN)/python -m pytest tests/unit tests/architecture

check: $(VENV)/.dev ## check formatting, lint, types, layers and spelling
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/pyright
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

format: $(VENV)/.dev ## format the code and repair what lint can repair
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

bench: $(VENV)/.dev ## measure beside the limits, with one process and two, and check that nothing is lost
	$(BIN)/python -m benchmarks $(BENCH)

bench-peers: $(VENV)/.dev ## measure the store beside its peers, on one Postgres (BENCH=--large adds 10 million events)
	$(BIN)/python -m benchmarks.peers $(BENCH)

bench-failover: $(VENV)/.dev ## measure how soon subscriptions follow processes that join, drain and die
	$(BIN)/python -m benchmarks.failover $(BENCH)

bench-operator: $(VENV)/.dev ## measure the operator beside a minimal one in Go, on a real API server (BENCH=n for n bundles)
	$(BIN)/python -m benchmarks.operator_comparison $(BENCH)

bench-scale: $(VENV)/.dev ## measure the operator alone, with many bundles (BENCH=n for n of them)
	$(BIN)/python -m benchmarks.operator_scale $(BENCH)

bench-rollout: $(VENV)/.dev ## measure what a rollout in steps costs the commands meanwhile, on the test cluster
	$(BIN)/python -m benchmarks.rollout $(BENCH)

bench-compare: $(VENV)/.dev ## measure this checkout and another one in alternation (BASE=path, with `make dev` done there)
	@test -n "$(BASE)" || { echo "usage: make bench-compare BASE=path [BENCH='--two --peers']" >&2; exit 1; }
	$(BIN)/python -m benchmarks.compare $(BASE) $(BENCH)

image: ## build the container image (docker or buildah; BUILD_ARGS passes arguments)
	@builder=$$(command -v docker >/dev/null && docker info >/dev/null 2>&1 && echo docker || echo buildah); \
	$$builder build $(BUILD_ARGS) --tag chekov:dev .

pictures: $(VENV)/.dev ## draw the dashboards in the docs as they look over the Prometheus at URL
	@test -n "$(URL)" || { echo "usage: make pictures URL=http://localhost:9091" >&2; exit 1; }
	$(INSTALL) --group pictures
	$(BIN)/python -m dashboards.pictures $(URL)

cluster: $(VENV)/.run ## start a real Kubernetes with the bank and a Prometheus, and leave it running
	$(BIN)/python -m tests.cluster demo

cluster-load: $(VENV)/.run ## let money move on that bank for ten minutes
	$(BIN)/python -m tests.cluster load

cluster-down: $(VENV)/.run ## end that Kubernetes with everything on it
	$(BIN)/python -m tests.cluster down

clean: ## remove .venv and every cache in this folder
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis dist build

# A machine may have Python without the means to make an environment: Debian packs them apart.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: https://www.python.org" >&2; exit 1; }
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'

$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e '.[runtime,embedded]'
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e '.[runtime,embedded,operator]' --group dev
	touch $(VENV)/.run $@
