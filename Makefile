# Two commands on a fresh machine: `make demo` runs an example of each field end to end, `make test` runs all tests.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PLUGINS = -e plugins/baler_root -e plugins/baler_hdf5 -e plugins/baler_fits -e plugins/baler_parquet -e plugins/baler_zarr -e plugins/baler_vtk

# Python writes the bytecode of what it imports: of the rest, pip would take more than a minute to write it.
export PYTHONDONTWRITEBYTECODE =
PIP = $(BIN)/python -m pip install --quiet

# Test processes share the cores, so that each takes one thread for what NumPy and torch would spread.
PYTEST = OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal -q

# Loops that check every place.
CHECKED = BALER_LOOPS=checked

.PHONY: install compiled packages demo loops test pytest test-checked test-checked-part test-unoptimised wheels lint docs clean

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml constraints.txt $(wildcard plugins/*/pyproject.toml)
	@echo "installing into $(VENV), which takes some minutes"
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	$(BIN)/python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['build-system']['requires'], sep='\n')" > $(VENV)/build.txt
	$(PIP) --no-compile --constraint constraints.txt --requirement $(VENV)/build.txt editables
	$(MAKE) --jobs=2 --no-print-directory compiled packages
	touch $@

# Beside each other: one takes processors, the other reads and writes.
compiled:
	-$(BIN)/python compile_loops.py

packages:
	BALER_LOOPS=python $(PIP) --no-compile --constraint constraints.txt --no-build-isolation -e ".[all,test]" $(PLUGINS)

demo: install
	$(BIN)/python examples/demo.py

# Compile the loops that have changed since.
loops: install
	$(BIN)/python compile_loops.py

# mypy takes one core for a minute, beside the first of the tests.
test: install loops
	$(MAKE) --jobs=2 lint pytest

# Asserts rewritten to tell what they compare take a quarter of a minute: only tests that fail are run once more with them.
pytest: install
	$(PYTEST) --assert=plain || { $(PYTEST) --last-failed --last-failed-no-failures none; exit 1; }

# All tests of the core, and half an hour of fuzzing, with loops that check every place.
test-checked: install
	$(BIN)/python compile_loops.py --checked
	$(CHECKED) $(PYTEST) tests
	$(CHECKED) $(BIN)/python benchmarks/fuzz.py models --cases 100000 --jobs 2
	$(CHECKED) $(BIN)/python benchmarks/fuzz.py arrays --cases 2600 --jobs 2

test-checked-part: install
	$(BIN)/python compile_loops.py --checked
	$(CHECKED) $(PYTEST) tests/test_loops.py tests/test_golden.py

# The same bits from loops as they are written, without optimisation.
test-unoptimised: install
	$(BIN)/python compile_loops.py --unoptimised
	$(PYTEST) tests/test_same_bits.py tests/test_loop_library.py

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

wheels: install
	$(BIN)/python -m pip wheel --quiet --constraint constraints.txt --no-deps --wheel-dir dist . ./plugins/baler_root ./plugins/baler_hdf5 ./plugins/baler_fits ./plugins/baler_parquet ./plugins/baler_zarr ./plugins/baler_vtk

docs: install
	$(BIN)/python -m pip install --quiet --constraint constraints.txt -e ".[docs]"
	$(BIN)/python -m sphinx -W -b html docs docs/_build/html

clean:
	rm -rf $(VENV) docs/_build examples/output .pytest_cache .mypy_cache .ruff_cache baler_core/machine/loops
