# The one place where the checks are written: the git hooks and .ci/run call these targets.
.DEFAULT_GOAL := help
.PHONY: help test check lint format-check types format docs lock bench clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

test:  ## all tests
	uv run pytest

check: lint format-check types  ## everything but the tests

lint:  ## ruff's rules
	uv run ruff check

format-check:  ## is everything formatted?
	uv run ruff format --check

types:  ## mypy, strict
	uv run mypy

format:  ## format, and mend what ruff can mend
	uv run ruff check --fix
	uv run ruff format

docs:  ## the documentation as a site in site/; a broken link is an error
	uv run zensical build --clean --strict

lock:  ## requirements.lock from pyproject.toml
	uv lock
	(echo '# Made by "make lock": what rec-sys[train,onnx,serve,baselines,family,sql,excel] runs with, without the development tools.'; \
	 uv export --frozen --quiet --no-dev --extra train --extra onnx --extra serve --extra baselines --extra family --extra sql --extra excel --no-emit-project --no-header) > requirements.lock.part
	mv requirements.lock.part requirements.lock

bench:  ## every benchmark, one after the other; some hours on two cores
	uv run -m benchmarks.ranking
	uv run -m benchmarks.embedding
	uv run -m benchmarks.quality
	uv run -m benchmarks.family
	uv run -m benchmarks.ratings
	uv run -m benchmarks.next_item
	uv run -m benchmarks.trending
	uv run -m benchmarks.neumf
	uv run -m benchmarks.two_stage
	uv run -m benchmarks.peers
	uv run -m benchmarks.event_reading
	uv run -m benchmarks.results_chart
	uv run -m benchmarks.pipeline
	uv run -m benchmarks.serving
	uv run -m benchmarks.start_up
	uv run -m benchmarks.event_reading
	uv run -m benchmarks.results_page

clean:  ## caches only; what the commands wrote stays
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .cache dist site
	find rec_sys triton_utils benchmarks tests -name __pycache__ -type d -prune -exec rm -rf {} +
