# Everything runs in .venv, which is made from requirements.lock on first use.
# PYTHON=/path/to/python chooses the interpreter it is made with (3.10 to 3.13).

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
CODE := mobilebert_tf export benchmarks tests setup.py

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint types clean-demo lock

help: ## show this list
	@echo "make demo        train, distil, shrink and verify a small MobileBERT; ends with a table and a report (about 8 minutes)"
	@echo "make test        the fast tests"
	@echo "make test-all    all tests: the slow ones, the report in a browser, the wheel"
	@echo "make lint        ruff"
	@echo "make types       mypy"
	@echo "make clean-demo  delete demo/, so that make demo starts over"
	@echo "make lock        work out requirements.lock again from setup.py"
	@echo
	@echo "The first of them installs everything into .venv. PYTHON=... chooses the interpreter (3.10 to 3.13)."

demo: $(STAMP)
	@$(BIN)/mobilebert-tf pipeline --flagfile=demo.flags

clean-demo:
	rm -rf demo

test: $(STAMP)
	@$(BIN)/python -m pytest -q

test-all: $(STAMP)
	@$(BIN)/python -m pytest -q -m ""

lint: $(STAMP)
	@$(BIN)/ruff check $(CODE)

# mypy knows nothing of setup.py's package map, so it reads a tree of links that has its form.
types: $(STAMP)
	@rm -rf $(VENV)/types && mkdir -p $(VENV)/types/mobilebert_tf
	@ln -s $(CURDIR)/mobilebert_tf/* $(CURDIR)/export $(CURDIR)/benchmarks $(VENV)/types/mobilebert_tf/
	@cd $(VENV)/types && ../bin/mypy --config-file $(CURDIR)/pyproject.toml -p mobilebert_tf

# A universal resolution: one file, environment markers where the Pythons differ. uv takes no
# notice of the upper end of Requires-Python, and backports-strenum 1.3 is for Python 3.10 alone.
lock: $(STAMP)
	@$(BIN)/python -m pip install -q uv
	@echo "backports-strenum<1.3" > $(VENV)/constraints.txt
	@{ sed -n 1p requirements.lock; \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.10 --extra dev --no-header --no-annotate \
		--constraint $(VENV)/constraints.txt setup.py; } > $(VENV)/requirements.lock
	@cp $(VENV)/requirements.lock requirements.lock
	@echo "requirements.lock is written; the next target installs from it"

# The stamp is written last: an interrupted installation is begun again.
$(STAMP): requirements.lock setup.py
	@set -e; \
	rm -f $@; \
	python=; \
	for candidate in $${PYTHON:-python3.13 python3.12 python3.11 python3.10 python3}; do \
		if "$$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))' 2> /dev/null; then \
			python=$$candidate; break; \
		fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "make: $${PYTHON:-no python3 on the PATH} is a working Python 3.10 to 3.13; give one with PYTHON=/path/to/python" >&2; \
		exit 1; \
	fi; \
	if ! "$$python" -c 'import venv, ensurepip' 2> /dev/null; then \
		echo "make: $$python lacks the modules venv and ensurepip (on Debian: the package python3-venv)" >&2; \
		exit 1; \
	fi; \
	echo "Installing into $(VENV) with $$("$$python" -V): 1.5 GB, 2 to 5 minutes with a good connection ..."; \
	"$$python" -m venv --clear $(VENV); \
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements.lock; \
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .; \
	touch $@
