# Every target makes the environment that it needs; nothing is written outside this folder but pip's own cache.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test test-gpu test-pages docs soak-registry soak-fuzz soak-faults soak-smoke bench bench-addresses bench-scale \
  bench-smoke architectures check format clean jdk

# Where it is set, each of the hundreds of processes of a run compiles all of this project's files again.
unexport PYTHONDONTWRITEBYTECODE

VENV ?= .venv
ARGS ?=
# Processes that share out the test files; make test TESTERS=0 runs all in one, for --pdb and -s.
TESTERS ?= 3
# One of them that crashes ends the run: pytest-xdist would wait for its tests without an end.
SHARED_OUT := -n $(TESTERS) --dist loadfile --no-loadscope-reorder --max-worker-restart 0
INSTALLED := $(VENV)/.installed
BENCH_INSTALLED := $(VENV)/.installed-bench
# No package beyond those that tests need, a model that costs nothing, few photos, nothing into docs/.
SMOKE := --models colours --contenders article stagewright-f32 inprocess-f32 \
  --photos 200 --different 20 --even --repeats 1 --output build/bench

help:  ## Say what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: jdk $(INSTALLED)  ## Register a model, promote it and label some photos with it
	$(VENV)/bin/stagewright demo $(ARGS)

test: jdk $(INSTALLED)  ## Run the tests; ARGS goes to pytest: make test ARGS='-k promotion'
	$(VENV)/bin/python -m pytest $(SHARED_OUT) $(ARGS)

test-gpu: jdk $(INSTALLED)  ## Run only the tests that need a CUDA device
	$(VENV)/bin/python -m pytest -m gpu $(ARGS)

test-pages: $(INSTALLED)  ## Run only the tests of reports in Chromium, and draw the pictures of pages in docs/ anew
	STAGEWRIGHT_PICTURES=docs $(VENV)/bin/python -m pytest -m browser $(ARGS)

docs: $(INSTALLED)  ## Make the site, into build/site
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict
	@echo 'Open build/site/index.html'

soak-registry: $(INSTALLED)  ## Let four promoters race for 1,000 rounds, on SQLite and on PostgreSQL
	$(VENV)/bin/python -m tests.registry.soak $(ARGS)

soak-fuzz: $(INSTALLED)  ## Read 300,000 damaged photos, Pillow's own bad ones among them; ARGS='--photos 1000000'
	$(VENV)/bin/python -m tests.pyfunc_models.fuzz --pillow $(ARGS)

soak-faults: jdk $(INSTALLED)  ## Kill, stop and starve jobs and judge what is left; ARGS='--rounds 20 --seed 0 --fault driver'
	$(VENV)/bin/python -W ignore -m tests.faults.soak $(ARGS)

soak-smoke: jdk $(INSTALLED)  ## One short round of each fault that is too slow for make test
	$(VENV)/bin/python -m pytest tests/jobs/long_faults.py

bench: jdk $(BENCH_INSTALLED)  ## Measure speed beside what users pick instead: make bench ARGS='--models resnet18'
	$(VENV)/bin/python -m benchmarks $(ARGS)

bench-addresses: jdk $(BENCH_INSTALLED)  ## Measure photos from an S3 server that is far away beside those from disk
	$(VENV)/bin/python -m benchmarks.addresses $(ARGS)

bench-scale: jdk $(BENCH_INSTALLED)  ## Measure time and memory from 10^4 to 10^6 rows
	$(VENV)/bin/python -m benchmarks.scale $(ARGS)

architectures: $(INSTALLED)  ## Try each architecture of torchvision and timm, and go on with docs/architectures.md
	$(VENV)/bin/python -W ignore -m benchmarks.architectures $(ARGS)

bench-smoke: jdk $(INSTALLED)  ## See in minutes whether speed, scale and start-up still run; its figures mean nothing
	$(VENV)/bin/python -m benchmarks $(SMOKE)
	$(VENV)/bin/python -m pytest tests/benchmarks/smoke.py

check: $(INSTALLED)  ## Lint, formatting and types
	@failed=; for tool in 'ruff check' 'ruff format --check' 'mypy'; do \
	  echo "$(VENV)/bin/$$tool"; $(VENV)/bin/$$tool || failed="$$failed, $$tool"; done; \
	if [ -n "$$failed" ]; then echo "make check: failed:$${failed#,}" >&2; exit 1; fi

format: $(INSTALLED)  ## Format, and mend what the linter can mend
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/ruff format

clean:  ## Remove caches and what the demo made; keeps the environment
	rm -rf .pytest_cache .mypy_cache .ruff_cache build dist demo-output spark-warehouse metastore_db derby.log
	find . -path './.venv*' -prune -o -name __pycache__ -type d -exec rm -rf {} +

# --- the environment

$(INSTALLED): pyproject.toml constraints.txt
	@$(eval PYTHON := $(if $(PYTHON),$(PYTHON),$(call find_python)))
	@$(if $(PYTHON),,$(error $(NO_PYTHON)))
	@echo 'Installing into $(VENV): minutes on the first run, and about 7 GB on x86-64, where torch brings CUDA.'
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@PYTHONWARNINGS=ignore $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

$(BENCH_INSTALLED): $(INSTALLED)
	@echo 'Installing Ray and Daft into $(VENV).'
	@PYTHONWARNINGS=ignore $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	  -e '.[dev,bench]'
	@touch $@

# A python3.11 in PATH may be the shim of a version manager that has no 3.11: so it is run, not only found.
find_python = $(shell for python in python3.11 python3 python3.12 python3.13; do \
  if $$python -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
    echo $$python; break; fi; done)
NO_PYTHON = stagewright needs Python 3.11 or newer with its venv module, and finds none in PATH: \
  apt-get install python3.11-venv, or name one: make PYTHON=/path/to/python3.11

# --- the JDK, which Spark needs and pip cannot bring

jdk:
	@$(eval FAULT := $(call jdk_fault))
	@$(if $(FAULT),$(error stagewright needs a JDK 17 or newer, but $(FAULT): \
	  apt-get install openjdk-17-jdk-headless, or set JAVA_HOME to one))

jdk_fault = $(shell \
  java="$${JAVA_HOME:+$$JAVA_HOME/bin/}java"; \
  version=$$("$$java" -version 2>&1 | sed -n 's/.* version "\(1\.\)\{0,1\}\([0-9][0-9]*\).*/\2/p' | head -n 1); \
  if [ -z "$$version" ]; then echo "$$java does not run"; \
  elif [ "$$version" -lt 17 ]; then echo "$$java is version $$version"; \
  elif ! "$$java" --list-modules | grep -q '^jdk.incubator.vector'; then \
    echo "$$java lacks the module jdk.incubator.vector"; fi)
