# Two commands for a new user: `make demo` and `make test`. Both make .venv first if there is none.
SHELL := /bin/bash
.ONESHELL:
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do if $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then echo $$p; break; fi; done)
BIN := .venv/bin
FORMATS := executorch litert
PIN := sed -E 's/^torch==([0-9.]+).*/torch==\1/; /^(nvidia-[a-lo-z]|nvidia-nv|nvidia-nccl|cuda-|triton)/d'

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow check audit secrets manifests bench presets formats lock

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

setup: .venv/ready  ## make the environment in .venv, from the pins of constraints.txt

# uv reads none of pip's configuration. A find-links folder holds local builds (a CPU torch, say), so it is handed on.
# Compiled ahead, commands start twice as fast; that some package ships a file for another Python is no reason to stop.
.venv/ready: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "tunesmith needs Python 3.11, 3.12 or 3.13, and found none on the PATH. Install one, or say PYTHON=/path/to/python3."; exit 1; }
	@echo "Making the environment in .venv; the first time this loads some 2 GB of packages."
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear .venv  # or it was not made to its end
	$(BIN)/python -m pip -qq --disable-pip-version-check install uv
	export UV_FIND_LINKS="$${UV_FIND_LINKS:-$${PIP_FIND_LINKS:-$$($(BIN)/python -m pip config get global.find-links 2>/dev/null || true)}}"
	VIRTUAL_ENV="$$PWD/.venv" $(BIN)/uv pip install --quiet -c constraints.txt -e '.[dev]'
	$(BIN)/python -m compileall -q -j 0 .venv/lib >/dev/null 2>&1 || true
	touch .venv/ready

demo: .venv/ready  ## the whole line on Fashion-MNIST: data, training, promotion, an answer over HTTP
	@$(BIN)/tunesmith demo

test: .venv/ready  ## the tests, but for the slow ones
	@$(BIN)/python -m pytest -n 2 --dist loadfile --durations 25 -m "not slow"

test-slow: .venv/ready  ## the slow tests: whole lines, real clusters, trainings that are killed
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations 40 -m slow

check: .venv/ready  ## lint, types, the layers of the design, the documentation, infra/
	@$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec infra/compose.yaml
	$(BIN)/hadolint infra/*.Dockerfile
	$(BIN)/python infra/audit.py --if-reachable
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow" tests/docs tests/infra

audit: .venv/ready  ## known vulnerabilities of the pinned packages; asks osv.dev
	@$(BIN)/python infra/audit.py

secrets: .venv/ready  ## the passwords and keys of the containers of infra/, in .tunesmith/secrets
	@$(BIN)/python -m flows.container_secrets

manifests: .venv/ready  ## the rules of Prometheus as its operator in Kubernetes reads them
	@$(BIN)/python infra/prometheus/manifest.py

bench: .venv/ready  ## the benchmarks, as ratios in one run
	@VIRTUAL_ENV="$$PWD/.venv" $(BIN)/uv pip install --quiet -c constraints.txt -e '.[bench]'
	$(BIN)/python -m benchmarks

presets: .venv/ready  ## every preset on the whole line, and the table docs/presets.md
	@$(BIN)/python -m benchmarks.presets

formats: .venv/ready  ## the converters of compress.formats, each in an environment of its own (some 2 GB each)
	@export UV_FIND_LINKS="$${UV_FIND_LINKS:-$${PIP_FIND_LINKS:-$$($(BIN)/python -m pip config get global.find-links 2>/dev/null || true)}}"
	for name in $(FORMATS); do
		home=.tunesmith/formats/$$name
		echo "Making the environment of $$name in $$home."
		$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $$home
		VIRTUAL_ENV="$$PWD/$$home" $(BIN)/uv pip install --quiet -c infra/formats/$$name.txt -r infra/formats/$$name.in
	done

# A pin without its local version (+cpu), and none of the CUDA packages: each machine takes the torch build it can use.
lock: .venv/ready  ## renew constraints.txt from the ranges of pyproject.toml
	@export UV_FIND_LINKS="$${UV_FIND_LINKS:-$${PIP_FIND_LINKS:-$$($(BIN)/python -m pip config get global.find-links 2>/dev/null || true)}}"
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --all-extras pyproject.toml -o .venv/constraints.new
	$(PIN) .venv/constraints.new | uniq > constraints.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --extra serving -c constraints.txt pyproject.toml -o infra/serving.txt
	for name in $(FORMATS); do
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate infra/formats/$$name.in -o .venv/constraints.new
		$(PIN) .venv/constraints.new | uniq > infra/formats/$$name.txt
	done
