# make analyze    set up, then analyse the embedded diffusion model
# make test       set up, then run the tests
# make test-long  set up, then run the full tables too
# make examples   set up, then run the tests of the example plugins and analyse with them
# make setup      create .venv and install the pinned dependencies; does nothing when nothing changed
# make lint       the static checks of .ci/run
# make docs       the documentation site, in docs/_build/html
# make clean      remove .venv and the site, for example to change interpreters: make clean && make setup PYTHON=python3.12

.DEFAULT_GOAL := help
SHELL := /bin/sh

SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))
# The first supported interpreter by name; a name that exists but does not run (a version manager's shim) is passed over.
PYTHON ?= $(shell for p in python3.11 python3.12 python3 python; do \
	"$$p" -c '$(SUPPORTED)' >/dev/null 2>&1 && { echo "$$p"; exit; }; done; echo python3)
BIN := .venv/bin
STAMP := .venv/.installed
# Two processes of one thread each; `make test PYTEST_FLAGS=` runs the tests in one.
PYTEST_FLAGS ?= -n 2 --dist worksteal

.PHONY: help setup analyze test test-long examples lint docs clean

help:
	@sed -n 's/^# //p' Makefile

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@"$(PYTHON)" -c '$(SUPPORTED)' || { \
	  echo "symdiff needs Python 3.11 or 3.12; \`$(PYTHON)\` is `"$(PYTHON)" -V 2>&1 | head -n 1`." >&2; \
	  echo "Choose another one with: make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || "$(PYTHON)" -m venv .venv || { rm -rf .venv; \
	  echo "\`$(PYTHON) -m venv\` failed; on Debian and Ubuntu it needs the package python3-venv." >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all,dev,docs]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps escnn==1.0.11
	@touch $@

analyze: $(STAMP)
	$(BIN)/symdiff analyze --group affine

test: $(STAMP)
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

test-long: $(STAMP)
	$(BIN)/python -m pytest -m "long or not long" $(PYTEST_FLAGS)

examples: $(STAMP)
	$(BIN)/python -m pytest -m long tests/examples -k "not every_check" $(PYTEST_FLAGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(STAMP)
	$(BIN)/python -m sphinx -b html -n -q -W --keep-going -d docs/_build/doctrees docs docs/_build/html

clean:
	rm -rf .venv docs/_build docs/examples/gallery
