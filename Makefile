# `make demo` and `make test` do all the set-up by themselves: they need Python 3.11 or newer, and make.
# Another Python: make test PYTHON=python3.13

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint types bench clean
.DEFAULT_GOAL := demo

demo: .venv/installed
	$(BIN)/openoutcry demo

test: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/installed-dev
	$(BIN)/mypy

bench: .venv/installed-bench
	$(BIN)/python -m benchmarks

clean:
	rm -rf .venv build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not there: install Python 3.11 or newer, or name one: make PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "openoutcry needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.13" >&2; exit 1; }
	@echo "Creating .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "$(PYTHON) cannot make a virtual environment: install its venv module (Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }

# A stamp is as old as the installation: a change of pyproject.toml installs again.
.venv/installed: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet -e .
	@touch $@

.venv/installed-dev: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	@touch .venv/installed $@

# A peer that this machine cannot install is a row that says so.
.venv/installed-bench: pyproject.toml .venv/installed-dev
	@$(BIN)/python -m pip install --quiet -e '.[bench]' && touch $@ || echo "cryptofeed is not to be installed here: the benchmarks go on without it" >&2
