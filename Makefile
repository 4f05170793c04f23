# make help prints what there is. Every target sets up what it needs in .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SOURCES := core connectors tests benchmarks release
RUNTIME := build/runtime
BOM := dist/junctor.cdx.json

.DEFAULT_GOAL := help

.PHONY: help
help: ## print this
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml constraints.txt Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "junctor needs Python 3.11 or newer; name one with make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade --constraint constraints.txt pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --build-constraint constraints.txt \
	  --editable '.[testkit,liquid]' --group dev --group release --group signals
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

# As long as two cores can do within ten minutes.
LONG := JUNCTOR_KILLS=30 JUNCTOR_SOAK=45

.PHONY: promises
promises: setup ## break things in 53 ways; print what the hub did, and write docs/promises.md
	$(LONG) $(BIN)/python -m pytest -q -n 2 --dist worksteal \
	  -p tests.support.fault_report --promises docs/promises.md

.PHONY: check
check: setup $(BOM) ## format, lint, types, architecture contracts, generated files, pins, licenses
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m junctor.host.generate --check
	$(BIN)/python -m release.pins
	$(BIN)/python -m release.bom $(BOM)

.PHONY: fmt
fmt: setup ## format and mend what can be mended
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

.PHONY: generate
generate: setup ## write the generated docs and config.example.toml anew
	$(BIN)/python -m junctor.host.generate
	$(BIN)/python -m junctor.testkit docs/rules.md

.PHONY: bench
bench: setup ## what an event costs here, beside a budget; BENCH="batch single --quick" chooses
	$(BIN)/python -m benchmarks.run $(BENCH)

.PHONY: wheel
wheel: setup ## build wheel and sdist into dist/, the same bytes wherever they are built
	$(BIN)/python -m hatchling build --directory dist

# What a plain installation brings, and nothing else: the bill of materials is made of it.
$(RUNTIME)/.installed: pyproject.toml constraints.txt | $(STAMP)
	rm -rf $(RUNTIME)
	$(PYTHON) -m venv --without-pip $(RUNTIME)
	$(BIN)/python -m pip --python $(RUNTIME)/bin/python install --quiet \
	  --constraint constraints.txt --build-constraint constraints.txt .
	@touch $@

$(BOM): $(RUNTIME)/.installed
	@mkdir -p $(@D)
	$(BIN)/cyclonedx-py environment --output-reproducible --short-PURLs --validate \
	  --pyproject pyproject.toml --output-file $@ $(RUNTIME)/bin/python

.PHONY: sbom
sbom: setup $(BOM) ## write the bill of materials (CycloneDX) to dist/

.PHONY: audit
audit: setup $(BOM) ## ask a vulnerability service about every part of the bill; needs the network
	$(BIN)/python -m release.audit $(BOM)

.PHONY: clean
clean: ## remove .venv, what was built, and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache build dist
