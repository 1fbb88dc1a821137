# Everything a newcomer or the CI runs. Each target first sees to .venv, which takes seconds once it is there.

SHELL := bash
PYTHON := .venv/bin/python
CALLER := .venv/bin/client-caller
.DEFAULT_GOAL := help
unexport PYTHONDONTWRITEBYTECODE # else each of the many processes that tests start would compile everything anew
.PHONY: help setup torch models demo serve check test long bench soak load clean

help: ## say what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

setup: ## make .venv with the locked packages
	@scripts/setup.sh

torch: setup ## bring what the voice engine csm is computed with; calls with the embedded voice need none of it
	@scripts/torch.sh

models: setup ## bring the model files that are missing
	@$(CALLER) models pull embedded

demo: models ## hear a caller and the agent talk on this machine
	@$(CALLER) demo

serve: models ## answer calls
	@$(CALLER) serve

check: torch ## format, lint, types and the architecture
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(PYTHON) -m pytest tests/test_architecture.py

test: models torch ## everything the CI runs: lint, types and all tests
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m pytest -n 2 --dist loadscope -m "not realtime and not long"
	@# Calls in real time leave most of two cores idle: others go on beside the demo, the longest, and types are checked by
	@# whoever is nice. None of these tests is about speed, and they pass with a third load beside them.
	nice -n 19 $(PYTHON) -m mypy & types=$$!; \
	$(PYTHON) -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "realtime and not long" \
		tests/test_demo.py $$(grep -rl --include='test_*.py' mark.realtime tests); \
	calls=$$?; wait $$types && exit $$calls

long: models torch ## the tests that take too long for every change
	$(PYTHON) -m pytest -m long

bench: models torch ## measure, one table and one JSON per script
	@for script in bench/first_call.py bench/flow.py bench/hearing.py bench/endpointing.py bench/answered.py bench/wire.py bench/campaign.py bench/thinking.py bench/word_times.py bench/voice_engine.py bench/voice_kernels.py bench/media_path.py bench/gateway.py bench/fleet.py bench/gpu_stack.py; do $(PYTHON) "$$script" || exit 1; done

soak: models ## hold thousands of calls, and see whether anything grows or fails; takes an hour
	$(PYTHON) bench/soak.py

load: models ## find out how many calls at once this machine carries; takes half an hour
	$(PYTHON) bench/load.py

clean: ## remove .venv, caches and what runs left; the model files stay
	rm -rf .venv build dist runs .mypy_cache .pytest_cache .ruff_cache .hypothesis src/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
