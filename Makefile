# The single entry. `make` alone lists what there is.

TOOLS := $(abspath $(or $(REGIONGUARD_TOOLS),.tools))
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
MODULE := $(TARGET)/wasm32-wasip1/release/regionguard_http_authz.wasm
MODULE_MAX := 2097152

# ring's C files, compiled for WebAssembly.
export CC_wasm32_wasip1 := $(TOOLS)/bin/wasm32-cc
export AR_wasm32_wasip1 := $(TOOLS)/bin/wasm32-ar
export CARGO_TARGET_WASM32_WASIP1_RUNNER := $(TOOLS)/bin/node --no-warnings $(CURDIR)/tests/runners/wasi.mjs
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER := $(TOOLS)/bin/wasm-bindgen-test-runner

# What is tested and linted natively: all but the filter, which is a WebAssembly module only.
NATIVE := --workspace --exclude regionguard-http-authz

.DEFAULT_GOAL := help
.PHONY: help setup setup-real build cli image demo up istio-up test test-unit test-wasm test-browser test-envoy test-envoys test-real reproducible fuzz bench lint fmt clean

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-22s %s\n", $$1, $$2}'

setup: ## install what build, demo and bench need, into .tools/
	@scripts/setup toolchain envoy wasm-cc

# This machine's paths stay out of the module, so that it is the same wherever it is built.
REMAP := --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=/cargo --remap-path-prefix=$(CURDIR)=/regionguard

build: setup ## build the WebAssembly module
	CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS="$(REMAP)" cargo build --release --target wasm32-wasip1 -p regionguard-http-authz
	@size=$$(wc -c <$(MODULE)); echo "module: $$size bytes, $(MODULE)"; test $$size -le $(MODULE_MAX) || { echo "the module is larger than $(MODULE_MAX) bytes" >&2; exit 1; }

cli: setup ## build `regionguard`, the command that checks and renders
	cargo build --quiet --profile tools -p regionguard-cli
	@echo "built $(TARGET)/tools/regionguard: put it on your PATH, then try \`regionguard --help\`"

demo: build ## two regions with real Envoys: walk through the requests and print what was decided
	@echo "the demo: builds once, in about a minute"
	@cargo run --quiet --profile tools -p two-regions -- demo

up: build ## the same two regions, kept running, with curl commands to try
	@echo "the demo: builds once, in about a minute"
	@cargo run --quiet --profile tools -p two-regions -- up

istio-up: build cli ## a real Istio mesh of two regions on this machine, guarded, with commands to try: needs Go
	@scripts/setup mesh
	@echo "the mesh: builds once, in about two minutes"
	@cargo run --quiet --profile tools -p regionguard-mesh --bin istio-up

test: build test-unit test-wasm test-browser test-envoy ## everything

test-unit: setup ## unit, property and vector tests, natively
	cargo test $(NATIVE) --exclude regionguard-harness --exclude two-regions --exclude regionguard-mesh

test-wasm: setup ## the kernel's unit tests on wasm32-wasip1, under node:wasi
	@scripts/setup node
	cargo test -p regionguard --lib --target wasm32-wasip1

test-browser: setup ## the kernel's pure parts on wasm32-unknown-unknown
	@scripts/setup node wasm-bindgen
	PATH="$(TOOLS)/bin:$$PATH" cargo test -p regionguard --test browser --no-default-features --target wasm32-unknown-unknown

test-envoy: build ## end to end, on a real Envoy
	cargo test -p regionguard-harness -p two-regions

setup-real: ## build the servers of the real mesh with Go, fetch two identity providers: once, in about 15 minutes
	@scripts/setup real

# What the machine cannot run is left out, and that is said; with REQUIRE_ALL set it is a failure.
test-real: build ## end to end, in a real Istio mesh and with real identity providers: needs Go, Java, Maven
	@scripts/setup real || { code=$$?; [ $$code -eq 3 ] && [ -z "$(REQUIRE_ALL)" ] || exit $$code; }; \
	exec scripts/test-mesh

# One of each minor version that is supported. The package of 1.38.3 has no V8, so the module cannot run in it: there it is seen that nothing is let in.
ENVOYS := 1.36.4 1.37.0 1.38.2 1.39.3 1.40.0
WITHOUT_V8 := 1.38.3
ON_EACH_ENVOY := -p two-regions -p regionguard-harness --test demo_rows --test requests --test live --test shipped --test wasm_failures --test direction --test streams

test-envoys: build ## the demo's rows and more on each Envoy: ENVOYS="1.36.4 1.40.0"
	@scripts/setup $(ENVOYS:%=envoy@%) envoy-without-v8@$(WITHOUT_V8)
	cargo test --no-run $(ON_EACH_ENVOY)
	@echo "== Envoy $(WITHOUT_V8), which has no V8"
	REGIONGUARD_ENVOY_VERSION=$(WITHOUT_V8) cargo test --quiet -p regionguard-harness --test wasm_failures -- nothing_is_let_in_where_the_host_cannot_run_it
	@for version in $(ENVOYS); do \
	    echo "== Envoy $$version"; \
	    REGIONGUARD_ENVOY_VERSION=$$version cargo test --quiet $(ON_EACH_ENVOY) || { echo "Envoy $$version: a test failed" >&2; exit 1; }; \
	done; echo "passed on Envoy $(ENVOYS)"

image: build ## build the OCI image of the module, into target/image
	cargo run --quiet --profile tools -p regionguard-cli -- image --module $(MODULE) --out $(TARGET)/image \
	    $(if $(IMAGE_REVISION),--revision $(IMAGE_REVISION)) $(if $(IMAGE_SOURCE),--source-url $(IMAGE_SOURCE))

reproducible: image ## build module and image again in another folder, and compare them to the byte
	@scripts/reproducible $(MODULE) $(TARGET)/image

bench: build ## side by side with Envoy's own filters
	cargo run --quiet --profile tools -p side-by-side

# Each target for so many seconds; further settings stand in the script's head.
TIME := 60

fuzz: setup ## fuzz the parsers of what comes from outside: TIME=60 seconds each
	@scripts/setup host-cxx
	@TIME=$(TIME) SEED=$(SEED) KEEP=$(KEEP) scripts/fuzz

lint: setup ## format, clippy with denied warnings, licences
	@scripts/setup cargo-deny
	cargo fmt --all -- --check
	cargo clippy $(NATIVE) --all-targets -- -D warnings
	cargo clippy --target wasm32-wasip1 -p regionguard -p regionguard-http-authz -- -D warnings
	cargo clippy --target wasm32-unknown-unknown -p regionguard --no-default-features --lib --test browser -- -D warnings
	PATH="$(TOOLS)/bin:$$PATH" cargo deny --workspace check licenses bans sources

fmt: setup ## format the sources
	cargo fmt --all

clean: ## remove what was built; installed tools stay in .tools/
	cargo clean
