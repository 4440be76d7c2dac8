# Two commands on a fresh machine: `make demo` runs an example of each field end to end, `make test` runs all tests.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PLUGINS = -e plugins/baler_root -e plugins/baler_hdf5 -e plugins/baler_fits

.PHONY: install demo test lint docs clean-compiled clean

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml constraints.txt $(wildcard plugins/*/pyproject.toml)
	@echo "installing into $(VENV), which takes some minutes"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt -e ".[all,test]" $(PLUGINS)
	touch $@

demo: install
	$(BIN)/python examples/demo.py

test: install lint
	$(BIN)/python -m pytest -n auto -q

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: install
	$(BIN)/python -m pip install --quiet --constraint constraints.txt -e ".[docs]"
	$(BIN)/python -m sphinx -W -b html docs docs/_build/html

clean:
	rm -rf $(VENV) docs/_build examples/output .pytest_cache .mypy_cache .ruff_cache

clean-compiled:
	find . -name "*.nb[ic]" -delete
