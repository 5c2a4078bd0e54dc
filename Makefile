# Needs Python 3.11 and make; everything else is installed into .venv from pinned, hashed wheels.
PYTHON ?= python3.11
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes --only-binary :all:
# A process for each processor, up to four.
WORKERS ?= logical
# Compiled once, not in each of the many processes that the tests start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup setup-tests run story test test-whole test-long lint format bench requirements spectral parties clean

help:  ## what there is to do
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/.made:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11) and "machtiging needs Python 3.11 or later")'
	$(PYTHON) -m venv .venv
	@touch $@

.venv/.installed: requirements.txt pyproject.toml .venv/.made
	@echo "Installing (once; pinned and hashed) ..."
	$(PIP) -r requirements.txt
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --no-index --no-deps --no-build-isolation -e .
	@touch $@

.venv/.tests-installed: tests/requirements.txt .venv/.installed
	@echo "Installing what the tests need (once) ..."
	$(PIP) -r tests/requirements.txt
	@touch $@

setup: .venv/.installed  ## make .venv and generate the keys that are missing
	@$(BIN)/machtiging keys generate

setup-tests: .venv/.tests-installed  ## the same with what the tests need

run: setup  ## set everything up, tell the story, leave the service at http://localhost:8000
	@exec $(BIN)/machtiging demo

story: setup  ## set everything up, tell the story, stop; non-zero if a step did not come out as told
	@exec $(BIN)/machtiging story

test: setup-tests  ## every rule and every refusal, quickly
	$(BIN)/python -m pytest -q -n $(WORKERS) --maxprocesses 4 --dist loadfile --no-loadscope-reorder -m "not long and not whole"

test-whole: setup-tests  ## the same rules at whole servers, over whole spaces and journeys, and past every time limit
	$(BIN)/python -m pytest -q -n $(WORKERS) --maxprocesses 4 --dist loadfile --no-loadscope-reorder -m "(whole or hypothesis) and not long" --hypothesis-profile=thorough

parties: setup-tests  ## install what others wrote, for the tests against it (needs the network once)
	$(BIN)/python -m tests.builders.parties

test-long: parties test-whole  ## those, and in a real browser, against what others wrote, with installations that are killed
	$(BIN)/python -m pytest -q -m long

lint: setup-tests  ## format, style, types and the direction of imports
	$(BIN)/ruff format --check machtiging tests
	$(BIN)/ruff check machtiging tests
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup-tests  ## put the code in its usual form
	$(BIN)/ruff format machtiging tests
	$(BIN)/ruff check --fix machtiging tests

bench: setup-tests  ## measure, in one run, beside named floors and peers
	$(PIP) -r tests/bench/requirements.txt
	$(BIN)/python -m tests.bench

spectral: setup-tests  ## install the API linter for its test (needs the network once)
	$(BIN)/python tests/architecture/spectral/prepare.py

requirements:  ## pin anew (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --custom-compile-command "make requirements" requirements.in -o requirements.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --custom-compile-command "make requirements" tests/requirements.in -o tests/requirements.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --custom-compile-command "make requirements" tests/parties/generator/requirements.in -o tests/parties/generator/requirements.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --custom-compile-command "make requirements" tests/bench/requirements.in -o tests/bench/requirements.txt

clean:  ## remove what was made here, also the data and the keys
	rm -rf .venv .data .cache build *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache
	find keys -type f ! -name README.md -delete
