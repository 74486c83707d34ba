# Everything a developer does has a name here; `make` alone lists the names.
# Needs Python >= 3.11, make and git. All else is fetched into .venv by `make install`.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help install up test services lint types contracts licences docs unit bench lock format clean
MAKEFLAGS += --no-print-directory

PYTHON ?=
DATA ?= $(or $(HOMEWARD_DATA),../shared/data)
ARGS ?=
BIN := .venv/bin
SITE := .cache/site
BENCHES := quiet generations sequences change poison masquerade network speed response
IN_README := quiet
# What has been installed is named by what it was installed from: same sum, nothing to do, no network.
STAMP := .venv/installed-$(shell { pwd -P; cat requirements.lock pyproject.toml tools/install.sh; } | cksum | cut -d ' ' -f 1)

# $(call step,what is done,command,what to do when it fails)
define step
@printf -- '-- %s\n' '$(1)'; $(2) || { printf 'homeward: %s failed. %s\n' '$(1)' '$(3)' >&2; exit 1; }
endef

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP) ## Make .venv from the hashed lock; a second time does nothing (PYTHON=... names a Python)
	@:

$(STAMP):
	@PYTHON='$(PYTHON)' sh tools/install.sh $@

up: install ## Run the guard; without a configuration, the demonstration (ARGS=... is passed on)
	@$(BIN)/homeward up $(ARGS)

test: install services lint types contracts licences docs unit ## Check everything, as CI does

services: ## Take the programs that tests run against from apt, where that may be done; in CI, Home Assistant too
	@sh tools/services.sh mosquitto:mosquitto chromium:chromium ip:iproute2 nft:nftables setpriv:util-linux
	@[ "$${CI:-}" != true ] || sh tools/home_assistant.sh

lint: install ## Lint, and check the format
	$(call step,lint (ruff check),$(BIN)/ruff check --quiet,Try: make format)
	$(call step,format (ruff format --check),$(BIN)/ruff format --check --quiet,Run: make format)

types: install ## Check the types
	$(call step,types (mypy --strict),$(BIN)/mypy --strict --no-error-summary,)

contracts: install ## Check who imports whom
	$(call step,import contracts (lint-imports),out=$$($(BIN)/lint-imports --no-logo) || { printf "%s\n" "$$out"; false; },The layers are in pyproject.toml.)

licences: install ## Check the licences of all packages, of the product and of its tools
	$(call step,licences (pip-licenses),$(BIN)/pip-licenses >/dev/null,The list of allowed licences is in pyproject.toml.)

docs: install ## Build the documentation into .cache/site
	$(call step,docs (mkdocs build --strict),NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --site-dir $(SITE),)

unit: install ## Run the tests (ARGS=... is passed on)
	@printf -- '-- tests (pytest)\n'
	@$(BIN)/python -m pytest -q $(ARGS)

bench: install $(BENCHES:%=bench-%) ## Measure everything on the recordings in DATA=../shared/data; write README, docs and pictures

bench-%: install
	$(BIN)/homeward bench $* --data '$(DATA)' $(if $(filter $*,$(IN_README)),--write README.md) \
	  --write docs/reference/bench-$*.md --picture docs/images/bench-$*.svg

lock: ## Write requirements.lock anew from pyproject.toml (needs uv; ARGS=--upgrade)
	@uv=$$(command -v $(BIN)/uv || command -v uv) || { echo 'homeward: uv is needed: pip install uv' >&2; exit 1; }; \
	$$uv pip compile pyproject.toml --universal --python-version 3.11 --extra dev \
	  --generate-hashes --no-header --quiet $(ARGS) -o requirements.lock

format: install ## Put the code into its format
	@$(BIN)/ruff check --fix --quiet || true
	@$(BIN)/ruff format --quiet

clean: ## Remove caches and what was built (.venv stays: it is worth a download)
	rm -rf .cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist
	find src tests -name __pycache__ -prune -exec rm -rf {} +
