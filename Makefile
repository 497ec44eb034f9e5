# Licensed to the Apache Software Foundation (ASF) under one
# or more contributor license agreements.  See the NOTICE file
# distributed with this work for additional information
# regarding copyright ownership.  The ASF licenses this file
# to you under the Apache License, Version 2.0 (the
# "License"); you may not use this file except in compliance
# with the License.  You may obtain a copy of the License at
#
#   http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing,
# software distributed under the License is distributed on an
# "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY
# KIND, either express or implied.  See the License for the
# specific language governing permissions and limitations
# under the License.
.PHONY: help demo check test test-airflow2 test-airflow3 browser clients login replicas faults outages mutants questions bench bench-page bench-limits versions smoke lint types docs audit generate clean airflow2 airflow3 tools node
.DEFAULT_GOAL := help
SHELL := /bin/bash

# Airflow 2 runs on Python 3.10 to 3.12, Airflow 3 on 3.10 to 3.14: take one that serves both if there is one.
PYTHON ?= $(firstword $(foreach p,python3.12 python3.11 python3.10 python3.13 python3.14 python3,$(shell $(p) -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))' >/dev/null 2>&1 && echo $(p))))
LINES := $(if $(AIRFLOW),$(AIRFLOW),3 2)
LINE := $(firstword $(LINES))

help: ## print this
	@echo "make TARGET, and AIRFLOW=2 or AIRFLOW=3 for one line alone:"
	@awk -F ':[^#]*## ' '/^[a-z0-9-]+:[^#]*## / { printf "  %-9s %s\n", $$1, $$2 }' Makefile

demo: airflow$(LINE) ## Airflow with the example Dags and the endpoint; says how to connect a client
	@exec .venv/airflow$(LINE)/bin/python -m scripts.demo

check: lint types docs audit test ## all that a change must pass, but for the clean environments of `make smoke`

test: $(LINES:%=test-airflow%) ## every test, on both lines (beside each other with -j2)

# Airflow 3's tests start an Airflow 2, too. With -j2 the lines run beside each other: tests mostly wait.
test-airflow2 test-airflow3: test-airflow%: $(LINES:%=airflow%) node tools
	@echo "== Airflow $*"
	@.venv/airflow$*/bin/python -m pytest -q

# Some minutes a line.
faults: $(LINES:%=airflow%) tools ## planted faults, run by real schedulers, each named in one call
	@set -e; for line in $(LINES); do FAULTS=1 .venv/airflow$$line/bin/python -m pytest -q tests/live/test_faults.py; done

# What the peers need is pinned, each in an environment of its own; one needs another client for each line.
PEERS := astro-airflow-mcp apache-airflow-mcp-server-2 apache-airflow-mcp-server-3 mcp-airflow-api

questions: $(LINES:%=airflow%) node $(PEERS:%=.venv/questions/%/.installed) ## what an answer costs, beside other servers
	@rm -rf build/questions
	@set -e; for line in $(LINES); do \
		.venv/airflow$$line/bin/python -m benchmarks.questions build/questions/airflow$$line.json; \
	done
	@.venv/airflow$(LINE)/bin/python -m benchmarks.questions.report build/questions benchmarks/QUESTIONS.md

# They need Debian's postgresql, mariadb-server-core and mariadb-client-core; some minutes a line.
outages: $(LINES:%=.venv/airflow%/.bench) tools ## a database, a disk, a secrets backend, a process, a plugin that fail in a call
	@set -e; for line in $(LINES); do OUTAGES=1 .venv/airflow$$line/bin/python -m pytest -q tests/live/test_outages.py tests/live/test_collations.py; done

# About half an hour of one processor.
mutants: airflow3 ## the unit tests against each small change of what refuses
	@.venv/airflow3/bin/python -m devtools.mutants

# They are 1.3 GB, and CI has no time for them. Nothing leaves the machine: a script stands in for each model.
clients: $(LINES:%=airflow%) .clients/.installed node ## Claude Code, Gemini CLI, Codex CLI and opencode, with scripted models
	@set -e; for line in $(LINES); do CLIENTS=1 .venv/airflow$$line/bin/python -m pytest -q tests/live/test_clients.py; done

# It needs Debian's chromium. Nothing leaves the machine.
login: $(LINES:%=airflow%) .clients/.installed .venv/browser/.installed node ## logins of real clients, with a person in Chromium
	@set -e; for line in $(LINES); do LOGIN=1 .venv/airflow$$line/bin/python -m pytest -q tests/live/test_login_clients.py; done

# It needs Debian's postgresql and nginx. CI's time does not allow it.
replicas: $(LINES:%=.venv/airflow%/.bench) tools ## two replicas on PostgreSQL behind nginx, killed and restarted under load
	@set -e; for line in $(LINES); do REPLICAS=1 .venv/airflow$$line/bin/python -m pytest -q -s tests/live/test_replicas.py; done

# It needs Debian's chromium. CI's time does not allow it. Screenshots stay in build/browser.
browser: $(LINES:%=airflow%) .venv/browser/.installed ## the pages in Chromium, with axe-core
	@set -e; for line in $(LINES); do BROWSER=1 .venv/airflow$$line/bin/python -m pytest -q tests/browser; done

# An hour and a quarter on two processors that do nothing else. It needs PostgreSQL (Debian: postgresql) and node.
bench: $(LINES:%=.venv/airflow%/.bench) .venv/peer/.installed node ## measure MCP beside the bare REST API (over an hour)
	@rm -rf build/bench
	@set -e; for line in $(LINES); do for what in measure large; do \
		.venv/airflow$$line/bin/python -m benchmarks.$$what build/bench/$$what$$line.json; \
	done; done
	@.venv/peer/bin/python -m benchmarks.peer build/bench/peer.json
	@set -e; soaks=; for line in $(LINES); do \
		.venv/airflow$$line/bin/python -m benchmarks.soak build/bench/soak$$line.json & soaks="$$soaks $$!"; \
	done; for soak in $$soaks; do wait $$soak; done
	@.venv/airflow$(LINE)/bin/python -m benchmarks.report build/bench benchmarks/RESULTS.md benchmarks/notes.md

# It needs Debian's postgresql.
bench-page: $(LINES:%=.venv/airflow%/.bench) ## measure observing, the pages, and Dags as tools (ten minutes a line)
	@set -e; for line in $(LINES); do for what in watched dag_tools; do \
		.venv/airflow$$line/bin/python -m benchmarks.$$what build/bench-page/$$what$$line.json; \
	done; done

# It needs Debian's postgresql. HUGE_RUNS=10 makes a million task instances and not ten.
bench-limits: $(LINES:%=.venv/airflow%/.bench) ## measure callers who wait or flood, statements, cleaning, a huge Airflow (over an hour)
	@set -e; for line in $(LINES); do for what in callers statements cleaning huge; do \
		.venv/airflow$$line/bin/python -m benchmarks.$$what build/bench/$$what$$line.json; \
	done; done

# The built wheel or sdist beside every supported Airflow minor, in clean environments: a minute or two each.
versions: tools ## the built package beside every supported Airflow minor (half an hour); ONLY=3.1 for one
	.venv/tools/bin/python -m scripts.smoke_versions --jobs 2 $(ONLY:%=--only %)

# The oldest and the newest minor of Airflow 2 and each of Airflow 3, on the Python at hand where it allows it.
smoke: tools ## the same for one line of each minor that CI tries
	.venv/tools/bin/python -m scripts.smoke_versions --smoke --no-table --jobs 2

lint: tools ## ruff
	.venv/tools/bin/ruff check .
	.venv/tools/bin/ruff format --check .

types: airflow3 ## mypy
	.venv/airflow3/bin/python -m mypy

docs: tools ## build the documentation
	.venv/tools/bin/python scripts/generate_provider_info.py --check
	.venv/tools/bin/python -m sphinx -W -q -b html docs docs/_build

audit: $(LINES:%=airflow%) tools .venv/audit/.installed ## check what is installed against pins and advisories
	@.venv/tools/bin/python scripts/audit.py

generate: tools airflow3 ## write what is generated: provider metadata, definitions of tools, reference pages
	.venv/tools/bin/python scripts/generate_provider_info.py
	PYTHONPATH=$(CURDIR) .venv/airflow3/bin/python scripts/generate_tools_ref.py
	PYTHONPATH=$(CURDIR) .venv/airflow3/bin/python scripts/generate_sdk_ref.py

airflow2 airflow3: airflow%: .venv/airflow%/.installed
tools: .venv/tools/.installed
node: .node/.installed

# Kept where what decides is as it was: a clone or a pull makes files new that say the same.
.venv/airflow%/.installed: Makefile pyproject.toml constraints/airflow%.txt constraints/tools.txt examples/third_party_provider/pyproject.toml
	@cat $^ | cksum | cmp -s - $@ || $(MAKE) --no-print-directory install-airflow$*
	@cat $^ | cksum > $@

install-airflow%:
	@$(if $(PYTHON),,echo "No Python 3.10 to 3.14 with venv and ensurepip was found: install python3 and python3-venv, or set PYTHON." >&2; exit 1)
	@echo "Installing Airflow $* into .venv/airflow$* (some minutes the first time)"
	@$(PYTHON) -m venv .venv/airflow$*
	@.venv/airflow$*/bin/pip install --disable-pip-version-check -c constraints/airflow$*.txt \
		"apache-airflow==$$(sed -n 's/^apache-airflow==\([^ ;]*\).*/\1/p' constraints/airflow$*.txt)" apache-airflow-providers-fab \
		$(if $(filter 3,$*),apache-airflow-providers-standard $$(grep -E '^(mypy|types-jsonschema|types-pyyaml)==' constraints/tools.txt),gevent) pytest hypothesis jsonschema PyYAML statsd
	@.venv/airflow$*/bin/pip install --disable-pip-version-check -c constraints/airflow$*.txt \
		-e . -e examples/third_party_provider

.venv/airflow%/.bench: .venv/airflow%/.installed constraints/bench.txt
	@.venv/airflow$*/bin/pip install -q --disable-pip-version-check -c constraints/bench.txt psycopg2-binary asyncpg
	@touch $@

.venv/peer/.installed: constraints/airflow3.txt constraints/bench.txt
	@$(PYTHON) -m venv .venv/peer
	@.venv/peer/bin/pip install -q --disable-pip-version-check -c constraints/bench.txt \
		"apache-airflow==$$(sed -n 's/^apache-airflow==\([^ ;]*\).*/\1/p' constraints/airflow3.txt)" \
		astro-airflow-mcp psycopg2-binary asyncpg pytest
	@touch $@

.venv/questions/%/.installed: constraints/questions/%.txt
	@$(PYTHON) -m venv .venv/questions/$*
	@.venv/questions/$*/bin/pip install -q --disable-pip-version-check -r $<
	@touch $@

.venv/tools/.installed: Makefile constraints/tools.txt
	@$(PYTHON) -m venv .venv/tools
	@.venv/tools/bin/pip install -q --disable-pip-version-check -c constraints/tools.txt build hatchling myst-parser ruff sphinx PyYAML
	@touch $@

.venv/audit/.installed: Makefile constraints/audit.txt
	@$(PYTHON) -m venv .venv/audit
	@.venv/audit/bin/pip install -q --disable-pip-version-check -c constraints/audit.txt pip-audit
	@touch $@

.venv/browser/.installed: Makefile constraints/browser.txt
	@npm install --prefix .venv/browser --no-save --no-package-lock --no-audit --no-fund --loglevel error $$(sed 's/==/@/' constraints/browser.txt)
	@touch $@

.node/.installed: Makefile constraints/node.txt
	@npm install --prefix .node --no-save --no-package-lock --no-audit --no-fund --loglevel error $$(sed 's/==/@/' constraints/node.txt)
	@touch $@

.clients/.installed: Makefile constraints/clients.txt
	@npm install --prefix .clients --no-save --no-package-lock --no-audit --no-fund --loglevel error $$(sed 's/==/@/' constraints/clients.txt)
	@touch $@

clean: ## remove what was installed and made
	rm -rf .venv .node .clients .demo .versions docs/_build
