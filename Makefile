# make demo, make test: each sets up .venv by itself, from .ci/constraints.txt and your own pip
# configuration. `make help` lists the rest.

PYTHON ?= python3
PYTEST_ARGS ?=

VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
READY := $(VENV)/.ready
CONSTRAINTS := .ci/constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test lint format setup clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(READY)  ## fill two gaps in real code, and show the canvas resolve
	@$(BIN)/infill-ls demo

test: lint  ## every check and every test
	$(BIN)/python -m pytest --durations=10 $(PYTEST_ARGS)

lint: $(READY)  ## ruff, mypy, the layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)  ## let ruff rewrite the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

setup: $(READY)  ## only set up .venv

clean:  ## remove .venv and all caches
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# Read by pip for what it installs and (the second, from pip 25.3 on) for what it builds with.
$(READY): export PIP_CONSTRAINT = $(CONSTRAINTS)
$(READY): export PIP_BUILD_CONSTRAINT = $(CONSTRAINTS)
$(READY): export PIP_DISABLE_PIP_VERSION_CHECK = 1
$(READY): pyproject.toml $(CONSTRAINTS)
	@command -v $(PYTHON) >/dev/null || { \
	    echo "make: there is no '$(PYTHON)': install Python 3.11 or later, or run 'make PYTHON=...'" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "make: $(PYTHON) is $$($(PYTHON) --version 2>&1), and 3.11 or later is needed:" \
	        "name one with 'make PYTHON=python3.11'" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "make: $(PYTHON) has no venv module: install it (on Debian and Ubuntu the package" \
	        "python3-venv)" >&2; exit 1; }
	@echo "setting up $(VENV); the first time this downloads torch and takes some minutes"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev,ws]'
	@touch $@
