# make help prints what there is. Every target sets up what it needs in .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SOURCES := core connectors tests benchmarks

.DEFAULT_GOAL := help

.PHONY: help
help: ## print this
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml constraints.txt Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "junctor needs Python 3.11 or newer; name one with make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade --constraint constraints.txt pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[testkit,liquid]' --group dev --group signals
	@touch $@

.PHONY: setup
setup: $(STAMP) ## make .venv with pinned versions

.PHONY: demo
demo: setup ## hub, stand-in vendors and sample traffic in one terminal
	$(BIN)/junctor demo $(if $(ONCE),--once)

.PHONY: test
test: setup ## all tests
	$(BIN)/pytest -n 2 --dist worksteal

.PHONY: unit
unit: setup ## the fast tests only
	$(BIN)/pytest -q tests/unit tests/connectors -m 'not slow'

.PHONY: check
check: setup ## format, lint, types, architecture contracts, generated files
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m junctor.host.generate --check

.PHONY: fmt
fmt: setup ## format and mend what can be mended
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

.PHONY: generate
generate: setup ## write the generated docs and config.example.toml anew
	$(BIN)/python -m junctor.host.generate
	$(BIN)/python -m junctor.testkit docs/rules.md

.PHONY: bench
bench: setup ## hub against a bare forwarder, in one run
	$(BIN)/python -m benchmarks.run $(BENCH)

.PHONY: wheel
wheel: setup ## build the wheel into dist/
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

.PHONY: clean
clean: ## remove .venv and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache dist
