# Needs Python 3.11 and make. Everything else is installed into .venv from pinned, hashed wheels.
PYTHON ?= python3.11
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes --only-binary :all:
COMPILE := uv pip compile -q --universal --python-version 3.11 --generate-hashes --custom-compile-command "make requirements"
# One test process per processor, at most four.
WORKERS ?= logical
# Keep compiled bytecode: the tests start many processes, and each would compile again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup setup-tests run story test test-whole test-long lint format bench requirements spectral parties frontend wheel screens clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/.made:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11) and "machtiging needs Python 3.11 or later")'
	$(PYTHON) -m venv .venv
	@touch $@

.venv/.installed: requirements.txt requirements-demo.txt pyproject.toml .venv/.made
	@echo "Installing with the demo (once; pinned and hashed) ..."
	$(PIP) -r requirements.txt -r requirements-demo.txt
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-index --no-deps --no-build-isolation -e '.[demo]'
	@touch $@

FRONTEND := $(wildcard machtiging/web/frontend/*) machtiging/web/frontend/.npmrc $(shell find machtiging -path '*/templates/*.html')
.venv/.frontend: requirements-frontend.txt $(FRONTEND) .venv/.installed
	@echo "Building the stylesheet, the icons and the fonts of the pages ..."
	$(PIP) -r requirements-frontend.txt
	@$(BIN)/python -m machtiging.web.frontend.build
	@touch $@

.venv/.tests-installed: tests/requirements.txt .venv/.installed
	@echo "Installing the test requirements (once) ..."
	$(PIP) -r tests/requirements.txt
	@touch $@

setup: .venv/.installed .venv/.frontend  ## create .venv, the assets of the pages and the missing keys
	@$(BIN)/machtiging keys generate

setup-tests: .venv/.tests-installed .venv/.frontend  ## install the test requirements

run: setup  ## set up, play the story, keep the service running at http://localhost:8000
	@exec $(BIN)/machtiging demo

story: setup  ## set up, play the story, stop; fails when a step fails
	@exec $(BIN)/machtiging story

test: setup-tests  ## the fast tests: every rule and every refusal
	$(BIN)/python -m pytest -q -n $(WORKERS) --maxprocesses 4 --dist loadfile -m "not long and not whole"

test-whole: setup-tests  ## the slower tests: real servers, whole input spaces and journeys, real time limits
	$(BIN)/python -m pytest -q -n $(WORKERS) --maxprocesses 4 --dist loadfile -m "(whole or hypothesis) and not long" --hypothesis-profile=thorough

parties: setup-tests  ## install third-party clients and servers for the interoperability tests (needs the network once)
	$(BIN)/python -m tests.parties.npm_packages

test-long: parties test-whole  ## test-whole, then the longest tests: browser, third-party software, killed installations
	$(BIN)/python -m pytest -q -n $(WORKERS) --maxprocesses 2 --dist loadfile -m long

frontend: .venv/.frontend  ## build the stylesheet, the icons and the fonts of the pages (needs the network once)

wheel: .venv/.frontend  ## build the assets, and the wheel that contains them, in build/wheel
	$(BIN)/python -m pip --disable-pip-version-check wheel --quiet --no-deps --no-build-isolation --wheel-dir build/wheel .

lint: setup-tests  ## check format, style, types and import direction
	$(BIN)/ruff format --check machtiging tests
	$(BIN)/ruff check machtiging tests
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup-tests  ## format the code
	$(BIN)/ruff format machtiging tests
	$(BIN)/ruff check --fix machtiging tests

bench: setup-tests  ## run the benchmarks beside baselines and other servers
	$(PIP) -r tests/bench/requirements.txt
	$(BIN)/python -m tests.bench

screens: setup-tests  ## photograph every page of the practice world for docs/screens (needs Chromium)
	$(BIN)/python -m tests.journeys.photograph

spectral: setup-tests  ## install the API linter for its test (needs the network once)
	$(BIN)/python tests/architecture/spectral/prepare.py

requirements:  ## pin the requirements again (needs uv)
	$(COMPILE) requirements.in -o requirements.txt
	$(COMPILE) requirements-demo.in -o requirements-demo.txt
	$(COMPILE) requirements-frontend.in -o requirements-frontend.txt
	$(COMPILE) tests/requirements.in -o tests/requirements.txt
	$(COMPILE) tests/parties/generator/requirements.in -o tests/parties/generator/requirements.txt
	$(COMPILE) tests/bench/requirements.in -o tests/bench/requirements.txt

clean:  ## remove all generated files, with the data and the keys
	rm -rf .venv .data .cache build *.egg-info machtiging/web/static .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache
	find keys -type f ! -name README.md -delete
