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
.PHONY: help demo test lint format setup vscode release clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(READY)  ## walk real files as they are typed, and show a canvas resolve
	@$(BIN)/infill-ls demo

# Where an editor is there to test the extension in, what is tested is the extension as it is now.
test: lint $(if $(wildcard build/vscode/*/.complete),vscode)  ## every check and every test
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

VSCODE := editors/vscode
VSIX := build/vscode/infill.vsix
# The Node that .ci/vscode fetches, where there is one; or else the machine's.
NODE_PATH_FIRST := $(lastword $(sort $(wildcard $(CURDIR)/build/vscode/*/node/bin)))
NPM := cd $(VSCODE) && PATH="$(if $(NODE_PATH_FIRST),$(NODE_PATH_FIRST):)$$PATH" npm --silent

vscode: $(VSIX)  ## check and package the VS Code extension

$(VSIX): $(VSCODE)/node_modules/.package-lock.json $(wildcard $(addprefix $(VSCODE)/,\
        src/* test/* scripts/* walkthrough/* *.json *.md *.mjs .vscodeignore icon.png LICENSE))
	$(NPM) run check
	$(NPM) run package

$(VSCODE)/node_modules/.package-lock.json: $(VSCODE)/package-lock.json
	@command -v npm >/dev/null || { echo "make: there is no npm: install Node 22 or later" >&2; exit 1; }
	$(NPM) ci --no-audit --no-fund
	@touch $@

# The wheel is the same bytes for the same sources too; hatchling takes the date from here.
RELEASE := build/release
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

release: $(READY) $(VSCODE)/node_modules/.package-lock.json  ## wheel, .vsix with the wheel in it, Neovim plugin
	rm -rf $(RELEASE) && mkdir -p $(RELEASE)
	SOURCE_DATE_EPOCH=946684800 $(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir $(RELEASE) .
	$(NPM) run check
	$(NPM) run package -- $(CURDIR)/$(RELEASE)/infill-vscode-$(VERSION).vsix \
	    $(CURDIR)/$(RELEASE)/infill_ls-$(VERSION)-py3-none-any.whl
	tar --sort=name --mtime=@946684800 --owner=0 --group=0 --numeric-owner \
	    --transform='s,^,infill.nvim/,' -C editors/neovim -czf $(RELEASE)/infill-nvim-$(VERSION).tar.gz \
	    README.md doc lsp lua plugin
	@cd $(RELEASE) && sha256sum infill* > SHA256SUMS && ls -l

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
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@
