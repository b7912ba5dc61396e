# Two commands set everything up: `make demo` and `make test`. Both need Python >= 3.11, git and make, nothing else.
BIN := .venv/bin
STORE ?= demo-store

.PHONY: demo report test lint test-heavy test-faults test-environments bench bench-models train-material train-bundle train-nano picture clean

demo: .venv/.ready-demo
	$(BIN)/restorebench run demo --store $(STORE) --fetch
	@echo "to compare with a paper: restorebench board $(STORE) --against masksr2   to write a report with sounds: make report"

report: demo .venv/.ready-all
	$(BIN)/restorebench report $(STORE) --out $(STORE)/report

test: .venv/.ready-dev lint
	$(BIN)/pytest -n auto --dist worksteal -m "not heavy and not environments"

lint: .venv/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test-heavy: .venv/.ready-dev
	$(BIN)/pytest -m "heavy and not campaign" -n 2 --dist worksteal

# Each command that writes is killed 25 times at random moments.
test-faults: .venv/.ready-dev
	RESTOREBENCH_KILLS=25 $(BIN)/pytest tests/faults -n 2 --dist worksteal

test-environments: .venv/.ready-dev
	$(BIN)/pytest -m environments

bench: .venv/.ready-dev
	$(BIN)/pytest tests/benchmarks/test_speed.py tests/benchmarks/test_remote_speed.py --benchmark-only --benchmark-columns=median,iqr,rounds,ops

bench-models: .venv/.ready-dev
	$(BIN)/pytest tests/benchmarks/test_masksr_speed.py tests/benchmarks/test_sise_speed.py tests/benchmarks/test_tts_speed.py --benchmark-only --benchmark-columns=median -s

# The nano models (systems/README.md): gather the training data, pack them for a machine with a GPU, train the models
# that are missing.
NANO = $(BIN)/python -m restorebench.systems.training.nano
MINUTES ?= 600
THREADS ?= 1

train-material: .venv/.ready-dev
	$(NANO) gather

train-bundle: .venv/.ready-dev
	$(NANO) pack --megabytes 60

train-nano: .venv/.ready-dev
	$(NANO) train --minutes $(MINUTES) --threads $(THREADS)

.venv/.ready-%: pyproject.toml constraints.txt .ci/setup
	sh .ci/setup $*
	@touch $@

clean:
	rm -rf .venv build dist $(STORE)

# Writes the README's picture and the tour notebook again. Run it after a change in what they show.
picture: .venv/.ready-dev
	$(BIN)/restorebench run demo --store $(STORE) > /dev/null
	$(BIN)/python .ci/picture.py $(STORE) .github/report.png
	$(BIN)/python .ci/tour.py notebooks/tour.ipynb
