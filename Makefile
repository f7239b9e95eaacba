# What a newcomer needs: make demo, make test. What a developer needs besides: make lint, make bench.
# Everything happens in .venv; PYTHON chooses the interpreter (3.11 or newer).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# The tests start the program often: compiled modules that are not kept are compiled each time.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
# What `make soak` asks for; each may be raised on the command line.
ROUNDS ?= 1000
STOPS ?= 100
HOURS ?= 72

.PHONY: help demo test test-whole soak test-wheel lint audit format bench lock schemas clean

help:  ## Show this list.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | column -t -s "$$(printf '\t')"

# Pinned and hashed: the demo and the tests run on the versions they were released with.
$(BIN)/crm-steward: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "crm-steward needs Python 3.11 or newer: make PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) …"
	@$(BIN)/pip install --quiet --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --no-deps --editable .
	@touch $@

$(VENV)/.dev: $(BIN)/crm-steward requirements-dev.lock
	@echo "Installing what tests and checks need …"
	@$(BIN)/pip install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

demo: $(BIN)/crm-steward  ## Run the whole loop on four emulated CRMs and a French spreadsheet.
	@$(BIN)/crm-steward demo --into demo

test: $(VENV)/.dev  ## Run all tests; those on PostgreSQL and in a browser need Debian's postgresql and chromium.
	$(BIN)/pytest

test-whole: $(VENV)/.dev  ## Run all tests, and all of what `make test` tries a share of: each crash with each fault, all on both databases.
	STEWARD_WHOLE=1 $(BIN)/pytest

soak: $(VENV)/.dev  ## Run for hours: 1,000 processes killed (ROUNDS=), 200 overtaken (STOPS= per database), 72 simulated hours (HOURS=), long Hypothesis runs.
	STEWARD_WHOLE=1 STEWARD_KILL_ROUNDS=$(ROUNDS) STEWARD_STOP_ROUNDS=$(STOPS) STEWARD_DAYS_HOURS=$(HOURS) HYPOTHESIS_PROFILE=soak $(BIN)/pytest -rP --timeout=0 \
	  tests/acceptance/test_kill.py tests/acceptance/test_fencing.py tests/acceptance/test_days.py tests/unit/writing/test_machine.py tests/property

test-wheel: $(VENV)/.dev  ## Build wheel and sdist, and run what a wheel could break against it.
	$(BIN)/python tests/packaging/against_wheel.py

lint: $(VENV)/.dev  ## Check style, types and who imports whom.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

audit: $(VENV)/.dev  ## Look for known vulnerabilities in what the lock files pin.
	$(BIN)/python .ci/audit.py requirements.lock requirements-dev.lock

format: $(VENV)/.dev  ## Format the code.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev  ## Print the figures of docs/figures.md.
	@for script in bench/*.py; do $(BIN)/python $$script || exit; done

schemas: $(BIN)/crm-steward  ## Write config/*.schema.json, config/register.yaml, the reference of rules and the man page anew.
	$(BIN)/crm-steward rules schema > config/rules.schema.json
	$(BIN)/crm-steward register schema > config/register.schema.json
	$(BIN)/python -m crm_steward.settings > config/settings.schema.json
	cp rules/crm_steward_rules/register/register.yaml config/register.yaml
	$(BIN)/python -m crm_steward.rules.reference > docs/reference/rules.md
	$(BIN)/python -m crm_steward.cli.manual > deploy/man/crm-steward.1

lock: $(VENV)/.dev  ## Pin all dependencies anew.
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-header --extra all --extra demo pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-header --extra all --extra demo --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:  ## Remove what the build, the tests and the demo left.
	rm -rf $(VENV) demo dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
