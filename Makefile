# The platform on the embedded lab. `make help` lists what there is.

SITE ?= paris
PYTHON ?= python3

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
READY := $(VENV)/.requirements
# Without index addresses: the lock is the same wherever packages come from.
COMPILE := --quiet --upgrade --generate-hashes --no-header --no-annotate --no-emit-index-url --python-version 3.11
LAB := $(VENV)/bin/python -m lab

.PHONY: help up preview refresh destroy recover diff verify env tools status down test lint bench lock

help: ## list these targets
	@echo 'make TARGET [SITE=paris|toulouse|marseille|lille|backup]'
	@sed -nE 's/^([a-z]+):.*## (.*)/  \1\t\2/p' Makefile | expand -t 12

up: $(READY) ## bring the site up: pulumi up on the lab; SITE=all for every site
	@$(LAB) up $(SITE)

preview: $(READY) ## show what up would change
	@$(LAB) preview $(SITE)

refresh: $(READY) ## read the real state of everything
	@$(LAB) refresh $(SITE)

destroy: $(READY) ## take the site down: pulumi destroy on the lab
	@$(LAB) destroy $(SITE)

recover: $(READY) ## after a killed run: clear the lock, adopt or remove what was half made
	@$(LAB) recover $(SITE)

diff: $(READY) ## what a merge request's note would say of the site: changes by name, what is lost first
	@$(LAB) diff $(SITE)

verify: $(READY) ## check the site as its users would: nodes, DNS, certificates, HTTPS
	@$(LAB) verify $(SITE)

env: $(READY) ## print exports: eval "$(make -s env SITE=paris)", then pulumi, kubectl, helm by hand
	@$(LAB) env $(SITE)

tools: $(READY) ## get every tool of the lab: found, downloaded or built, then kept
	@$(LAB) tools

status: $(READY) ## what runs, what is official and what is a stand-in
	@$(LAB) status

down: $(READY) ## stop every process of the lab; its state stays
	@$(LAB) down

bench: $(READY) ## time up and preview; zones and certificates beside octoDNS and certbot
	@$(LAB) bench $(SITE)

lint: $(READY) ## format, lint, types and stack files
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/python -m settings

# The tests speak to real servers on a machine that others share: a test that fails is asked once more, three in a
# whole run at most, and shown with what it said at first. One that is shown is a defect to mend, here or in the lab.
RERUNS := --reruns=1 --max-suite-reruns=3 --rerun-show-tracebacks

# A lab test waits a good part of its time: one process more than there are cores. In the order of tests/conftest.py, the
# long files of the lab start first and the short ones fill up the end.
WORKERS = --numprocesses=$$(($$(nproc) + 1)) --dist=loadfile --no-loadscope-reorder

test: lint tools ## lint, and every test
	@$(VENV)/bin/pytest $(WORKERS) $(RERUNS)

lock: $(READY) ## pin every Python package again, with hashes
	@$(VENV)/bin/uv pip compile $(COMPILE) pyproject.toml --group program --group lab --group ci --group dev -o requirements-dev.txt
	@# What is tested is what runs: the locks of the program and of the pipeline follow the whole one.
	@$(VENV)/bin/uv pip compile $(COMPILE) pyproject.toml --group program --constraint requirements-dev.txt -o requirements.txt
	@$(VENV)/bin/uv pip compile $(COMPILE) pyproject.toml --group program --group ci --constraint requirements-dev.txt -o requirements-ci.txt
	@$(VENV)/bin/uv pip compile $(COMPILE) kubespray/requirements.in -o kubespray/requirements.txt
	@$(VENV)/bin/uv pip compile $(COMPILE) lab/toolchain/go/requirements.in -o lab/toolchain/go/requirements.txt
	@$(VENV)/bin/uv pip compile $(COMPILE) lab/peers/requirements.in -o lab/peers/requirements.txt

$(READY): requirements-dev.txt
	@$(PYTHON) -m lab.bootstrap $(VENV) requirements-dev.txt
	@touch $@
