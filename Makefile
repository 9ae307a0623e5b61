# Each target does its own set-up and is quick the second time.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# A browser already there is used; else Debian's is installed, which needs root.
CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)

.PHONY: demo test nightly check bench faults format clean

demo: $(VENV)/.run
	$(BIN)/remap demo $(DEMO)

# What needs neither Ray nor a browser two files at a time; threads that wait do not spin, or two
# processes of two threads on two cores would stand in each other's way. The rest one by one: two
# Rays that start at once on two cores wait too long for their own parts.
test: $(VENV)/.dev chromium
	OMP_WAIT_POLICY=PASSIVE OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -m "not nightly and not ray and not browser" \
		-n 2 --dist loadfile $(PYTEST)
	$(BIN)/python -m pytest -m "not nightly and (ray or browser)" $(PYTEST)

nightly: $(VENV)/.dev chromium
	$(BIN)/python -m pytest -m nightly $(PYTEST)
	$(BIN)/python -m pytest --hypothesis-profile nightly --timeout 3600 tests/space \
		tests/training/test_network.py tests/training/test_from_torch.py tests/projection/test_otmann.py

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.bench chromium
	$(BIN)/python -m tests.benchmarks $(BENCH)

faults: $(VENV)/.dev
	$(BIN)/python -m tests.faults --write $(FAULTS)

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/pip:
	$(PYTHON) -c 'import sys; sys.exit("REMAP needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(BIN)/pip pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.run
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

$(VENV)/.bench: $(VENV)/.dev
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[bench]'
	touch $@

.PHONY: chromium
chromium:
ifeq ($(CHROMIUM),)
	@test "$$(id -u)" = 0 || { echo "the browser tests need Chromium: install it, or run make test as root"; exit 1; }
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium
endif
