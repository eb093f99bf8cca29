# The commands of this repository. `make demo` and `make test` install what they need: a NATS server and, for the client
# tests, nats-py, nats.js, TypeScript and ajv, all into .tools/; and Rust's target for components. They ask for Rust, a C toolchain and
# Python 3 with pip.

CARGO ?= cargo
# A shared target folder outlives the clone; cargo reads the same variable.
target_dir := $(or $(CARGO_TARGET_DIR),target)
tools_dir := $(or $(WHITHER_TOOLS),.tools)

.DEFAULT_GOAL := help
.PHONY: help demo test test-traces wasm bench soak storm simulate fuzz dist dist-test lint tools clean-tools

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS='	' read -r name does; do \
		printf '  make %-12s %s\n' "$$name" "$$does"; done

demo: ## a small cluster on this machine: real NATS, real agents, real placements
	@echo "demo: building whither without the last optimisations: 5 to 10 minutes on two processors the first time"
	@$(CARGO) build --profile demo --bin whither
	@echo "demo: looking for a NATS server"
	@server=$$(scripts/tools/nats-server) && echo "demo: starting the cluster with $$server" && \
		WHITHER_NATS_SERVER="$$server" exec "$(target_dir)/demo/whither" demo

# Most tests wait for processes that they started: three at a time keep a processor at work.
test_threads := $(or $(RUST_TEST_THREADS),$(shell echo $$((3 * $$(nproc)))))
test: ## every test, with a real NATS server and the Python and JavaScript clients
	@echo "test: looking for a NATS server and the test clients"
	@scripts/tools/wasm-target
	@server=$$(scripts/tools/nats-server) && clients=$$(scripts/tools/test-clients) && eval "$$clients" && \
		checkers=$$(scripts/tools/type-checkers) && eval "$$checkers" && \
		echo "test: cargo test, $(test_threads) tests at a time, with $$server" && \
		started=$$(date +%s) && \
		RUST_TEST_THREADS=$(test_threads) WHITHER_NATS_SERVER="$$server" $(CARGO) test && \
		echo "test: passed in $$(($$(date +%s) - started)) s"

test-traces: ## the tests of traces, which a build without `--features opentelemetry` has not
	@server=$$(scripts/tools/nats-server) && echo "test-traces: with $$server" && \
		WHITHER_NATS_SERVER="$$server" $(CARGO) test --features opentelemetry --lib telemetry && \
		WHITHER_NATS_SERVER="$$server" $(CARGO) test --features opentelemetry --test it traces::

wasm: ## the shipped policies as WebAssembly components
	@scripts/tools/wasm-target
	@echo "wasm: building the components in scripts/wasm"
	@CARGO_TARGET_DIR="$(abspath $(target_dir))/wasm" $(CARGO) build --locked --release --target wasm32-wasip2 \
		--manifest-path scripts/wasm/Cargo.toml
	@ls "$(target_dir)"/wasm/wasm32-wasip2/release/*.wasm

bench: ## a short form of every bench, beside its floor, into benches/RESULTS.md: ten minutes after the build
	@scripts/tools/wasm-target
	@echo "bench: looking for a NATS server"
	@server=$$(scripts/tools/nats-server) && echo "bench: with $$server" && \
		CARGO="$(CARGO)" WHITHER_NATS_SERVER="$$server" scripts/tools/bench

MINUTES ?= 10
soak: ## a service among attackers, scripts that crash it and nodes that flap, for MINUTES=10: does anything pile up?
	@echo "soak: looking for a NATS server"
	@server=$$(scripts/tools/nats-server) && echo "soak: $(MINUTES) minutes, with $$server" && \
		WHITHER_NATS_SERVER="$$server" $(CARGO) bench --profile demo --bench soak -- --minutes "$(MINUTES)"

STORM ?=
storm: wasm ## a login storm on every kind of chain, beside an echo and a Node.js service: half an hour
	@echo "storm: building the release binary (the first build takes minutes)"
	@$(CARGO) build --locked --release
	@echo "storm: looking for a NATS server and the client library of Node.js"
	@server=$$(scripts/tools/nats-server) && clients=$$(scripts/tools/test-clients) && eval "$$clients" && \
		echo "storm: whither bench --storm $(STORM), with $$server; STORM=\"--sizes 1000 --seconds 3\" is a short one" && \
		WHITHER_NATS_SERVER="$$server" "$(target_dir)/release/whither" bench --storm $(STORM)

SEEDS ?= 10000
simulate: ## the service in SEEDS=10000 simulated worlds where everything goes wrong; SEEDS=7..8 is the one of seed 7
	@echo "simulate: building the release binary (the first build takes minutes)"
	@$(CARGO) build --locked --release
	@"$(target_dir)/release/whither" simulate --faults "$(SEEDS)"

fuzz: MINUTES = 5
fuzz: ## bytes at random for whatever reads bytes from outside, for MINUTES=5; TARGETS="request config" runs these alone
	@scripts/tools/fuzz "$(MINUTES)" $(TARGETS)

PROFILE ?= release
dist: ## packages for Debian, a tarball, a Python wheel, SBOM and sums, into target/dist; PROFILE=demo in half the time
	@CARGO="$(CARGO)" PROFILE="$(PROFILE)" packaging/dist

dist-test: ## install, start, place, reload, upgrade, remove and purge what `make dist` built, in a clean Debian root
	@packaging/test
	@packaging/test-units

lint: ## format, clippy, documentation, dependencies; changes nothing
	@echo "lint: cargo fmt --check"
	@$(CARGO) fmt --check
	@echo "lint: the dependencies' reasons, licences, duplicates and sources"
	@$(CARGO) fetch --locked --quiet
	@scripts/tools/dependencies
	@echo "lint: the versions that the fuzz targets are locked to"
	@$(CARGO) fetch --locked --quiet --manifest-path fuzz/Cargo.toml
	@echo "lint: cargo clippy, warnings are errors"
	@$(CARGO) clippy --locked --all-targets -- -D warnings
	@$(CARGO) clippy --locked --bench soak --bench storm --bench tiers --bench compiling -- -D warnings
	@echo "lint: the service with traces, and their tests"
	@$(CARGO) clippy --locked --features opentelemetry --lib --bin whither --test it -- -D warnings
	@echo "lint: the agent by itself, without the service and the engines"
	@$(CARGO) clippy --locked --no-default-features --features agent --lib --bin whither-agent -- -D warnings
	@echo "lint: cargo doc, warnings are errors"
	@RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps

tools: ## install the NATS server and the test clients, and say where they are
	@echo "tools: looking for a NATS server and the test clients"
	@scripts/tools/nats-server
	@scripts/tools/test-clients
	@scripts/tools/type-checkers
	@scripts/tools/wasm-target

clean-tools: ## remove what was installed
	@echo "clean-tools: removing what was installed into $(tools_dir)"
	@rm -rf "$(tools_dir)"/nats-server-* "$(tools_dir)"/nats-py-* "$(tools_dir)"/nats-js-* \
		"$(tools_dir)"/typescript-* "$(tools_dir)"/cargo-deb-* "$(tools_dir)"/cargo-auditable-* \
		"$(tools_dir)"/cargo-cyclonedx-* "$(tools_dir)"/kubernetes-validate-* \
		"$(tools_dir)"/debian-bookworm* "$(tools_dir)"/maturin-* "$(tools_dir)/.lock"
