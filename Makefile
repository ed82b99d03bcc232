# Two commands are enough: "make run" starts the app, "make test" runs the tests. Both use the code of
# this folder directly; the package is not installed.
PYTHON ?= $(shell command -v python3.11 || echo python3)
VENV ?= .venv
PORT ?= 8501
BIN := $(VENV)/bin

# The tests start many processes; without the cache of bytecode each would compile all files again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test lint browser soak fuzz bench wheel clean

run: $(VENV)/runtime
	$(BIN)/streamlit run app.py --server.port=$(PORT)

# Three workers for two cores: all browser tests run on one of them (tests/conftest.py), which mostly
# waits for the browser.
JOBS ?= 3
# pytest rewrites the assertions of each test file once and stores the result. This takes 13 s in a
# fresh checkout. It is done once, while mypy leaves a core idle, and not by each worker. Errors in
# test files are reported by the real run.
test: $(VENV)/development browser
	@$(BIN)/python -m pytest --collect-only --quiet > /dev/null 2>&1 & $(MAKE) lint && wait
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

lint: $(VENV)/development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The browser tests drive Debian's Chromium.
browser:
	@sh tests/browser/install_chromium.sh

# Long tests: on real data, if it is available; slow faults; a complete installation of the wheel; ten
# minutes of fuzzing.
soak: $(VENV)/development browser fuzz
	$(BIN)/python -m pytest -m soak

# Damaged files for every reader, different ones each time. A failure names the seed that repeats it.
FUZZ_SECONDS ?= 600
fuzz: $(VENV)/development
	FER_STUDIO_FUZZ_SECONDS=$(FUZZ_SECONDS) FER_STUDIO_FUZZ_SEED=random \
		$(BIN)/python -m pytest -s tests/fuzz tests/exchange/test_damaged_files.py

# One table of speed and memory. The figures are meaningful only if nothing else runs.
bench: $(VENV)/development
	$(BIN)/python -m benchmarks

# dist/fer_studio-*.whl: pip install dist/*.whl, then "fer-studio app".
wheel: $(VENV)/development
	$(BIN)/python -m hatchling build -t wheel

clean:
	rm -rf dist $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/python:
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/runtime: $(VENV)/python requirements.txt constraints.txt
	@echo "Installing into $(VENV), once: about 3 GB, some minutes."
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements.txt
	@$(BIN)/python -m fer_core detectors fetch || true
	@touch $@

$(VENV)/development: $(VENV)/runtime requirements-dev.txt
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements-dev.txt
	@touch $@
