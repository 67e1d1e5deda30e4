# All that a developer does, on a machine with Python 3.11 or newer, pip and make. For example:
#
#     make test PYTHON=python3.13 ARGS="-k masks -x"
#
# An environment is a directory .venv/<version of Python>/<name> with the packages of
# requirements/<name>.txt, pinned by version and hash, and the wheel built from src. Nothing is ever
# imported from src itself.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SECONDARY:
unexport PYTHONPATH PYTHONHOME
# Where pip installs is said here, and nowhere else.
unexport PIP_TARGET PIP_PREFIX PIP_ROOT PIP_REQUIRE_VIRTUALENV
export PIP_USER := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# pyright's node is a pinned package as well; no other one is used, and none is looked for.
export PYRIGHT_PYTHON_GLOBAL_NODE := 0
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

# The first that is new enough and runs: a command of that name may be there and not work.
ifndef PYTHON
PYTHON := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python3.15; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
endif
# A free-threaded build has a "t" after its version.
VERSION := $(shell "$(PYTHON)" -c 'import sys, sysconfig; assert sys.version_info >= (3, 11); \
  print("%d.%d.%d" % sys.version_info[:3] + "t" * bool(sysconfig.get_config_var("Py_GIL_DISABLED")))' \
  2>/dev/null)
ifeq "$(VERSION)" ""
$(error PYTHON="$(PYTHON)" is no Python 3.11 or newer; name one: make PYTHON=...)
endif

# A pip that can install into environments that have none (`--python`, from pip 22.3 on). PYTHON may be
# a virtual environment without pip: then that of the Python that made it, or any other on PATH.
PIP = "$(or $(shell python=$$("$(PYTHON)" -c 'import sys; print(sys.executable)'); \
  { echo "$$python"; "$$python" -c 'import sys; print(sys._base_executable)'; \
    echo "$$PATH" | tr : '\n' | sed 's|$$|/python3|'; } | while read -r p; do \
    "$$p" -m pip --python "$$python" --version >/dev/null 2>&1 && echo "$$p" && break; done), \
  $(error No Python here has pip 22.3 or newer: install python3-pip))" -m pip

VENV := .venv/$(VERSION)
RUN := $(VENV)/run/bin
TEST := $(VENV)/test/bin
DEV := $(VENV)/dev/bin
RELEASE := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
WHEEL := .venv/wheel/gmemflags-$(RELEASE)-py3-none-any.whl

# What was made where the project no longer is: an environment whose Python is gone is made anew, and
# the scripts of gmemflags, which name the directory, are written again. All else is path-independent.
$(shell mkdir -p .venv; for made in .venv/build $(VENV)/*; do \
    [ ! -d "$$made/bin" ] || [ -x "$$made/bin/python" ] || rm -rf "$$made"; done; \
  pwd -P | cmp -s - .venv/place || pwd -P >.venv/place)

# The two things that some tests need, and what this machine has of them: kvm, standin, or both.
# What GMEMFLAGS_REQUIRE names makes such tests fail where they would be skipped.
EVERYTHING := kvm,standin
MACHINE := $(shell { test -c /dev/kvm && (: <>/dev/kvm) && echo kvm; \
  grep -qw user_notif /proc/sys/kernel/seccomp/actions_avail && echo standin; } 2>/dev/null | paste -sd, -)

.PHONY: help
help: ## list these targets
	@sed -n 's/^\([a-z]*\):.*## /    \1\t/p' Makefile | expand -t 20

.PHONY: run
run: $(VENV)/run/.ready ## ask this machine, with `gmemflags show`
	@$(RUN)/python -m gmemflags show $(ARGS) || { [ $$? = 3 ] && echo && \
	  echo "What follows is not this machine, but the recorded host linux-6.18-x86_64:" && echo && \
	  $(RUN)/python -m gmemflags show --host linux-6.18-x86_64 $(ARGS); }

.PHONY: test
test: $(VENV)/test/.ready ## run the tests on PYTHON; ARGS go to pytest
	$(TEST)/python -m $(UNDER) pytest $(ARGS)

.PHONY: prove
prove: export GMEMFLAGS_CASES ?= 1000000
prove: export GMEMFLAGS_FUZZ ?= 1000000
prove: export GMEMFLAGS_ARGUMENTS ?= 25000
prove: $(VENV)/test/.ready ## try the laws, the proof and the fuzzing on many more cases (long)
	$(TEST)/python -m pytest --hypothesis-profile=prove -m "prove or hypothesis" \
	  -o faulthandler_timeout=0 tests $(ARGS)

.PHONY: coverage
coverage: ## run the tests, and tell what they left out
	rm -f .coverage .coverage.*
	GMEMFLAGS_REQUIRE=$(MACHINE) $(MAKE) test UNDER="coverage run -m"
	$(MAKE) report

.PHONY: report
report: $(VENV)/test/.ready ## tell what runs with UNDER="coverage run -m" left out
	$(TEST)/coverage combine --quiet
	$(TEST)/coverage report $(if $(filter $(EVERYTHING),$(MACHINE)),,--fail-under=0)

.PHONY: header
header: $(VENV)/header/.ready ## hold the numbers against a kernel's headers, those in HEADERS=DIR
	ZIG_GLOBAL_CACHE_DIR="$(CURDIR)/.venv/zig" HEADERS="$(HEADERS)" \
	  $(VENV)/header/bin/python -m pytest --noconftest tests/header.py

.PHONY: kernels
kernels: $(WHEEL) ## boot Debian's kernels on emulated machines, and test there (long)
	"$(PYTHON)" -m tests.emulated "$(WHEEL)" $(ARGS)

.PHONY: machines
machines: $(WHEEL) ## run what depends on the machine on other ones, under emulation (long)
	PIP='$(PIP)' tests/machines $(WHEEL) $(MACHINES)

.PHONY: lint
lint: $(VENV)/dev/.packages ## check the style
	$(DEV)/python -m ruff format --diff
	$(DEV)/python -m ruff check

.PHONY: format
format: $(VENV)/dev/.packages ## correct the style
	$(DEV)/python -m ruff check --fix-only
	$(DEV)/python -m ruff format

.PHONY: types
types: $(VENV)/dev/.ready ## check the types: mypy, pyright, and the public ones
	$(DEV)/python -m mypy
	PATH="$(CURDIR)/$(DEV):$$PATH" python -m pyright
	PATH="$(CURDIR)/$(DEV):$$PATH" python -m pyright --verifytypes gmemflags --ignoreexternal

.PHONY: architecture
architecture: $(VENV)/dev/.ready ## check who imports whom
	$(DEV)/python -c "from importlinter.cli import lint_imports_command as main; main()" --no-cache

.PHONY: docs
docs: $(VENV)/dev/.ready ## write the documentation to build/docs/index.html
	$(DEV)/python -m sphinx -E -q -n -W --keep-going docs build/docs

.PHONY: pages
pages: $(VENV)/test/.ready ## write the generated tables and pictures into the pages
	$(TEST)/python docs/_pages.py

.PHONY: bench
bench: $(VENV)/bench/.ready ## measure: one line a figure, name, ratio, limit
	$(VENV)/bench/bin/python -m bench $(ARGS)

.PHONY: mutate
mutate: $(VENV)/mutate/.ready ## break the source in thousands of small ways: do tests notice? (long)
	$(VENV)/mutate/bin/python tests/mutants.py $(ARGS)

.PHONY: build
build: .venv/build/.packages ## write sdist and wheel to dist
	rm -rf dist
	.venv/build/bin/python -m build --no-isolation

.PHONY: release
release: $(VENV)/release/.packages .venv/build/.packages ## check what would be published
	PIP='$(PIP)' $(VENV)/release/bin/python -m pytest --noconftest -o faulthandler_timeout=0 \
	  tests/release.py $(ARGS)

.PHONY: requirements
requirements: $(VENV)/release/.packages ## pin requirements/*.in; newest versions with ARGS=--upgrade
	set -e; for name in dev build test pages run bench header mutate release; do \
	  $(VENV)/release/bin/uv pip compile -q --universal --python-version 3.11 --fork-strategy fewest \
	    --generate-hashes --no-annotate --no-header $(ARGS) $$also \
	    requirements/$$name.in -o requirements/$$name.txt; \
	  also='-c requirements/dev.txt'; \
	done

.PHONY: machine version
machine version: # for .ci/run
	@echo $(if $(filter machine,$@),$(MACHINE),$(VERSION))

.PHONY: clean
clean: ## remove what these targets made
	rm -rf .venv build dist .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# The pip of PYTHON installs into environments that have none.
.venv/%/.packages: $(wildcard requirements/*.txt)
	rm -rf $(@D)
	"$(PYTHON)" -m venv --without-pip $(@D)
	$(PIP) --python $(@D)/bin/python install -q --require-hashes -r requirements/$(notdir $*).txt
	$(if $(filter %/test,$*),$(PIP) --python $(@D)/bin/python install -q --require-hashes --only-binary :all: \
	  -r requirements/pages.txt || echo "Examples with DuckDB and Dask are skipped: no wheels for this Python.")
	touch $@

.venv/%/.ready: .venv/%/.packages .venv/place $(WHEEL)
	$(PIP) --python $(@D)/bin/python install -q --no-deps --force-reinstall $(WHEEL)
	touch $@

# Directories are among the sources so that a module's removal counts, too.
$(WHEEL): pyproject.toml README.md LICENSE $(shell find src -not -path '*/__pycache__*') \
  | .venv/build/.packages
	rm -rf $(@D)
	.venv/build/bin/python -m build --wheel --no-isolation --outdir $(@D)
