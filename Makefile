# `make demo` and `make test` set up everything they need in .venv.
PYTHON ?= $(shell python3.11 -c "" 2>/dev/null && echo python3.11 || echo python3)
BIN := .venv/bin

.PHONY: demo test clean

demo: .venv/agents.stamp
	$(BIN)/copyright-gym demo

test: .venv/all.stamp
	$(BIN)/python -m pytest

# The stamps save a reinstall while nothing that is installed or built has changed.
BUILT := pyproject.toml setup.py $(wildcard copyright_gym/*.pyx copyright_gym/*.pxd)

.venv/agents.stamp: $(BUILT) | .venv
	$(BIN)/python -m pip install --editable '.[agents]'
	touch $@

.venv/all.stamp: $(BUILT) | .venv
	$(BIN)/python -m pip install --editable '.[all,dev]'
	touch $@

.venv:
	$(PYTHON) -m venv .venv

clean:
	rm -rf copyright_gym/*.c copyright_gym/*.so .venv build runs *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
