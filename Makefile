# `make demo` and `make test` need Python 3.11 or newer, and nothing else of ours; README.md says more.
.DEFAULT_GOAL := help
.PHONY: help demo up test bench lint lock lock-sdks messages catalogues
.DELETE_ON_ERROR:

PORT ?= 8000
DATA_DIR ?= .data
ONCE ?=
ARGS ?=
export PORT DATA_DIR PYTHON

VENV := .venv
PY := $(VENV)/bin/python
# A stamp is named by what it stands for, so that a second call is fast and a changed lock file installs again.
RUN_LOCKS := requirements/run.txt requirements/embedded.txt
DEV_LOCKS := $(RUN_LOCKS) requirements/duplicates.txt requirements/parquet.txt requirements/dev.txt
checksum = $(shell cat $(1) | cksum | cut -d' ' -f1)
RUN_STAMP := $(VENV)/installed-run-$(call checksum,$(RUN_LOCKS))
DEV_STAMP := $(VENV)/installed-dev-$(call checksum,$(DEV_LOCKS))
INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes
CATALOGUES := $(patsubst %.po,%.mo,$(wildcard locale/*/LC_MESSAGES/*.po))
BESIDE_SERVERS := $(PY) -m cdp.servers $(DATA_DIR)/test --

help:
	@echo "make demo         the whole path on demo data, then the site on http://127.0.0.1:$(PORT)/ until Ctrl-C"
	@echo "make demo ONCE=1  the same, then exit"
	@echo "make up           the stack without demo data, until Ctrl-C"
	@echo "make test         every test; some: make test ARGS='tests/tags -k expired'"
	@echo "make lint bench   check the code; measure it (make bench ARGS=...)"
	@echo "make messages     collect what is to be translated into locale/"
	@echo "make lock         resolve requirements/*.in again"
	@echo "PORT=8001 DATA_DIR=/some/where make up  runs another one beside the first"

demo: $(RUN_STAMP) catalogues
	@$(PY) manage.py demo $(if $(ONCE),--once)

up: $(RUN_STAMP) catalogues
	@$(PY) manage.py up

test: $(DEV_STAMP) catalogues
	@$(BESIDE_SERVERS) $(PY) -m pytest -n 2 $(ARGS)

bench: $(DEV_STAMP) catalogues
	@$(PY) -m cdp.servers --durable $(DATA_DIR)/bench -- $(PY) -m benchmarks $(ARGS)

lint: $(DEV_STAMP)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/lint-imports
	$(BESIDE_SERVERS) $(PY) -m mypy .
	$(BESIDE_SERVERS) $(PY) manage.py makemigrations --check --dry-run

# In this order: the later are constrained by what the earlier have chosen.
lock: $(DEV_STAMP)
	for name in run embedded duplicates parquet dev; do \
	    $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	        --custom-compile-command 'make lock' requirements/$$name.in -o requirements/$$name.txt || exit 1; \
	done

# The SDKs of tests/sdks/package.json. Who asks for money for a package is no part of the lock.
lock-sdks: $(RUN_STAMP)
	cd tests/sdks && npm install --package-lock-only
	$(PY) -c 'import json, sys; lock = json.load(open(sys.argv[1])); [each.pop("funding", 0) for each in lock["packages"].values()]; \
	    json.dump(lock, open(sys.argv[1], "w"), indent=2)' tests/sdks/package-lock.json

# Bring locale/*/LC_MESSAGES/*.po up to date with the code, then write the words that it counts as missing.
messages: $(DEV_STAMP)
	$(BESIDE_SERVERS) $(PY) manage.py update_catalogues

catalogues: $(CATALOGUES)

%.mo: %.po | $(RUN_STAMP)
	@$(VENV)/bin/pybabel --quiet compile -i $< -o $@

$(RUN_STAMP):
	@sh requirements/venv.sh $(VENV)
	@echo "Installing what requirements/*.txt lock. The first time takes a minute or two."
	@$(INSTALL) $(addprefix -r ,$(RUN_LOCKS))
	@touch $@

$(DEV_STAMP): $(RUN_STAMP)
	@$(INSTALL) $(addprefix -r ,$(DEV_LOCKS))
	@touch $@
