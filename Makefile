# Vicinal's commands; `make` lists them.
#
# One optimised profile serves the tests, the demo and what is shipped, so that
# dependencies compile twice at most: once for clippy's check, once for real.

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
VICINAL    := $(TARGET_DIR)/release/vicinal
IMAGE      ?= vicinal

.DEFAULT_GOAL := help
.PHONY: help deps build test test-faiss crash fuzz fuzz-check gpu-compile demo fmt lint deny image deploy-check clean

help: ## Lists these commands
	@echo 'Vicinal: a vector similarity search database server.'
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' Makefile \
		| while IFS='|' read -r command text; do printf '%-20s%s\n' "$$command" "$$text"; done

deps: ## Installs what building needs (libhwloc-dev, libudev-dev, pkg-config, the pinned Rust)
	@deploy/install-deps.sh

build: deps ## Builds the release binary
	cargo build --release --workspace --bins --locked
	@echo 'built: $(VICINAL)'

test: deps ## Checks format and lints, runs all tests
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --release --locked -- -D warnings
	cargo test --workspace --release --locked --no-fail-fast

test-faiss: ## Builds the feature `faiss` with all its C++, lints and tests it
	@deploy/install-deps.sh --faiss
	cargo clippy -p vicinal-index --features faiss --all-targets --release --locked -- -D warnings
	cargo test -p vicinal-index --features faiss --release --locked --no-fail-fast -- conformance engines
	cargo test -p vicinal --features faiss --release --locked --test e2e kinds

crash: deps ## Crashes at every disk call, prints the counts, looks for bugs planted on purpose
	cargo clippy -p vicinal-engine --features seeded-bugs --all-targets --release --locked -- -D warnings
	cargo test -p vicinal-engine --features seeded-bugs --release --locked --test it \
		-- crash::points crash::seeded --nocapture

fuzz: deps ## Looks for stored bytes that break a decoder, FUZZ_SECONDS=60 for each target
	tests/fuzz/run.sh $(or $(FUZZ_SECONDS),60)

fuzz-check: deps ## Compiles the fuzz targets without running them
	cargo check -p vicinal-fuzz --features fuzz --bins --release --locked

gpu-compile: deps ## Compiles the kernels for sm_80, sm_90 and sm_100 without a GPU (NVRTC from PyPI)
	kernels/compile.sh 80 90 100

demo: build ## Starts a server, loads real data, searches it, cleans up
	$(VICINAL) demo

fmt: ## Formats all code
	cargo fmt --all

lint: deps ## Runs clippy, warnings are errors
	cargo clippy --workspace --all-targets --release --locked -- -D warnings

deny: ## Checks licences, advisories and sources of dependencies (needs cargo-deny)
	@command -v cargo-deny >/dev/null || { \
		echo 'cargo-deny is missing: cargo install --locked cargo-deny' >&2; exit 1; }
	cargo deny --locked check

image: ## Builds the container image (IMAGE=vicinal)
	docker build --file deploy/Dockerfile --tag $(IMAGE) .

deploy-check: build ## Checks scripts, systemd unit and image without a container engine
	deploy/check-unit.sh $(VICINAL)
	deploy/check-image.sh $(VICINAL)

clean: ## Removes everything built
	cargo clean
