# The two that matter: `make demo` shows what etc-edge does, `make test` proves it. Each sets up what it needs.
PYTHON ?= python3
OUT ?= out

VENV := .venv
# The demo needs no torch: it gets a light environment of its own, unless the full one is there already.
DEMO_VENV := $(if $(wildcard $(VENV)/.installed),$(VENV),.venv-demo)

.DELETE_ON_ERROR:
.PHONY: help setup demo test check format bench docs clean distclean

help:
	@echo 'make demo       quantize, compile, run and evaluate the shipped model (no torch)'
	@echo 'make test       run every test (PYTEST="-k preview" for some)'
	@echo 'make check      ruff, mypy, import-linter and the architecture tests'
	@echo 'make bench      run every benchmark that can run here, results in $(OUT)/benchmarks/ (DATA=camvid for all)'
	@echo 'make docs       build the documentation as a site in out/site/'
	@echo 'make setup      make .venv with everything that the above needs'
	@echo 'make format     let ruff put the source in order'
	@echo 'make clean      remove caches and build products; make distclean the environments too'

# $(1): the environment's folder, $(2): extras. A Python without ensurepip (as Debian packages it) makes an empty
# environment, and its own pip fills it.
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
		|| { echo 'error: $(PYTHON) is older than 3.10; try: make PYTHON=python3.12 …'; exit 1; }
	@echo '== $(1): a virtual environment for $(PYTHON)'
	@test -x $(1)/bin/pip || $(PYTHON) -m venv $(1) 2>/dev/null \
		|| { $(PYTHON) -m venv --clear --without-pip $(1) \
			&& $(PYTHON) -m pip --python $(1)/bin/python install pip; }
	@echo '== $(1): etc-edge[$(2)] in the versions of constraints.txt'
	$(1)/bin/python -m pip install --progress-bar off --constraint constraints.txt --editable '.[$(2)]'
	@touch $(1)/.installed
endef

$(VENV)/.installed: pyproject.toml constraints.txt
	$(call install,$(VENV),dev)

.venv-demo/.installed: pyproject.toml constraints.txt
	$(call install,.venv-demo,demo)

setup: $(VENV)/.installed

demo: $(DEMO_VENV)/.installed
	$(DEMO_VENV)/bin/etc-edge demo --out $(OUT)/demo

test: $(VENV)/.installed
	$(VENV)/bin/python -m pytest $(PYTEST)

check: $(VENV)/.installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/python -m pytest -q tests/architecture

format: $(VENV)/.installed
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

# Figures of this machine go to $(OUT); DOCS=docs publishes them. DATA is CamVid's folder.
bench: $(VENV)/.installed
	$(VENV)/bin/python benchmarks/run_all.py --docs $(or $(DOCS),$(OUT)/benchmarks) $(if $(DATA),--data $(DATA))

# README's pictures are drawn anew by $(VENV)/bin/python docs/street_gif.py and docs/worst_frame.py
docs: $(VENV)/.installed
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/python -m mkdocs build --strict
	@echo 'open out/site/index.html'

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find etc_edge tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean
	rm -rf .venv .venv-demo .venv-peers
