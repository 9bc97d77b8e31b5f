# The front door. `make` lists what there is.
.PHONY: help demo test test-dates test-all lint unit e2e packages test-packages bench fuzz soak audit evaluate setup clean test-upstream walk afternoon
.DEFAULT_GOAL := help
run := .venv/bin/

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 15

demo: ## the main job, end to end, in about half a minute; contacts no other machine
	@dev/setup python
	@dev/setup system demo
	@PYTHONPATH=tests $(run)python -m e2e.demo

test: setup lint ## everything: checks, unit tests, real browsers, a real desktop
	@dev/setup system test
	@$(run)pytest -n 2 --dist loadscope

test-dates: setup ## the tests that need no browser on other dates, in another time zone and other locales
	@dev/setup system dates
	@PYTHONPATH=tests $(run)python -m dates.run $(ONLY)

test-all: test test-dates ## and other dates, and the long ones: privacy audits, 100,000 workstations, an afternoon
	@dev/setup python fleet spark
	@dev/setup system all
	@DIFFERENTIAL_EXAMPLES=2000 $(run)pytest tests/addons/patches/test_differential.py --timeout=1800
	@$(run)pytest tests/long -o python_files='*.py' --timeout=1800 -s
	@$(MAKE) --no-print-directory afternoon

test-upstream: ## mitmproxy's own tests with our replacements: make test-upstream MITMPROXY_TESTS=DIR
	@dev/setup python fleet upstream
	@PYTHONPATH=tests $(run)python -m upstream.run

lint: setup ## ruff, mypy, import-linter
	@$(run)ruff format --check --quiet .
	@$(run)ruff check --quiet .
	@$(run)mypy
	@$(run)lint-imports --no-cache >/dev/null || $(run)lint-imports --no-cache

unit: setup ## the tests that need no browser and no desktop
	@$(run)pytest --ignore=tests/e2e -n 2 --dist loadscope

e2e: setup ## only the tests with real browsers and a real desktop
	@dev/setup system test
	@$(run)pytest tests/e2e

packages: setup ## the packages for IT into artefacts/: .deb, .rpm, .msi, .pkg
	@dev/setup python fleet package
	@dev/setup system package
	@PATH="$(CURDIR)/.venv/bin:$$PATH" $(run)python -m installer.linux.build
	@PATH="$(CURDIR)/.venv/bin:$$PATH" $(run)python -m installer.windows.build --out artefacts
	@PATH="$(CURDIR)/.venv/bin:$$PATH" $(run)python -m installer.macos.build --out artefacts

test-packages: packages ## installed, used, upgraded and purged on clean machines; as root
	@dev/setup system machines
	@PATH="$(CURDIR)/.venv/bin:$$PATH" $(run)pytest tests/packages -o python_files='linux.py windows.py macos.py' --timeout=1800 -s

bench: setup ## speed and size beside direct, mitmdump and squid: ONLY=splice, QUICK=1, LONG=1
	@dev/setup system bench
	@PYTHONPATH=tests $(run)python -m benchmarks --only '$(ONLY)' $(if $(QUICK),--quick) $(if $(LONG),--long)

fuzz: setup ## coverage-guided fuzzing, SECONDS=60 for each target: make fuzz SECONDS=600
	@dev/setup python fleet fuzz
	@PYTHONPATH=tests:. $(run)python -m fuzz.run $(or $(SECONDS),60)

soak: setup ## fifty busy employees and faults, ten minutes or SOAK=hours: nothing lost, no leak
	@PYTHONPATH=tests:. $(run)python -m soak.run $(SOAK)

walk: setup ## sites that behave as real ones do, with and without Bewust, as a table: CLIENTS="chromium curl"
	@dev/setup system test
	@PYTHONPATH=tests $(run)python -m e2e.servers.walk

afternoon: setup ## one person's afternoon with and without Bewust: twenty minutes or SOAK=hours, BROWSER=firefox, SEED=n
	@dev/setup system test
	@PYTHONPATH=tests:. $(run)python -m soak.afternoon $(SOAK)

audit: setup ## known weaknesses of every locked dependency; asks the package index, so not offline
	@dev/setup python audit
	@mkdir -p artefacts && uv=$$(command -v .uv/bin/uv || command -v uv) && \
	  $$uv export --locked --quiet --all-groups --all-extras --no-emit-project --output-file artefacts/locked.txt >/dev/null
	@$(run)pip-audit --require-hashes --disable-pip --requirement artefacts/locked.txt

evaluate: setup ## recordings with a manifest against the catalogue: make evaluate CAPTURES=DIR
	@PYTHONPATH=tests $(run)python -m corpus.evaluate $(CAPTURES)

setup:
	@dev/setup python fleet

clean: ## remove what these commands made
	rm -rf .venv .uv artefacts .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
