# make run    set-up, demo study, the whole job; prints the report's path and the main findings
# make test   set-up, lint, types, import contracts, all tests but the slow ones
# make bench  time and memory of the estimators, beside packages that do the same

PYTHON ?= python3
STUDY ?= studies/demo
BIN := .venv/bin

.PHONY: run test lint types contracts pytest test-slow test-wheel bench setup lock clean

run: setup
	$(BIN)/kkz-eval demo --study $(STUDY)
	$(BIN)/kkz-eval run --study $(STUDY)

test: lint types contracts pytest

lint: setup
	$(BIN)/ruff check kkz_eval pipelines tests benchmarks
	$(BIN)/ruff format --check kkz_eval pipelines tests benchmarks

types: setup
	$(BIN)/mypy

contracts: setup
	$(BIN)/lint-imports

pytest: setup
	OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -m "not slow" -n 2 --dist loadfile  # two processes share the cores

# Seeded simulations that take minutes.
test-slow: setup
	OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -m slow

# The built wheel in an empty environment, away from the project, runs the demo.
test-wheel: setup
	rm -rf build/wheel
	$(BIN)/python -m build --wheel --no-isolation --outdir build/wheel .
	$(PYTHON) -m venv build/wheel/venv
	build/wheel/venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r constraints.txt
	build/wheel/venv/bin/pip install --quiet --disable-pip-version-check --no-deps build/wheel/*.whl
	cd build/wheel && venv/bin/kkz-eval demo --study study --scale 0.01 && venv/bin/kkz-eval run --study study

# The packages compared with go to an environment of their own; BENCH=--large adds 100 million rows.
bench: setup
	$(PYTHON) -m venv build/bench
	build/bench/bin/pip install --quiet --disable-pip-version-check $$($(PYTHON) -c "import tomllib; \
		print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['bench'])")
	$(BIN)/python benchmarks/estimate_rows.py $(BENCH)
	$(BIN)/python benchmarks/inference.py --peer-python build/bench/bin/python
	$(BIN)/python benchmarks/estimate_children.py --peer-python build/bench/bin/python

setup: .venv/installed

# Every package by version and hash; the project itself on top, without asking for anything more.
.venv/installed: constraints.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch .venv/installed

# After a change of dependencies: resolve anew, with hashes and without addresses.
lock: setup
	$(BIN)/pip install --quiet pip-tools
	printf 'hatchling>=1.27\neditables>=0.5\n' > .venv/build.in
	$(BIN)/pip-compile --quiet --generate-hashes --no-strip-extras --allow-unsafe --no-annotate --no-header \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
		--extra dev --output-file constraints.txt pyproject.toml .venv/build.in

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
