# Everything a developer does here. Needs Rust with a C compiler; what needs more says so.

.PHONY: help demo test fmt lint template full-stack simulate mutations fuzz report bench
.DEFAULT_GOAL := help

help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | column -t -s '	'

demo: ## The whole pipeline on this machine: generated transactions in, alerts out
	cargo run --quiet --package sigma-cli -- demo --summary target/demo/summary.json

test: fmt lint template ## Everything: format, lints, the template's gates, every test, documentation, the full stack
	cargo test --workspace --quiet
	$(MAKE) simulate mutations fuzz
	RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --quiet
	$(MAKE) report full-stack

SEEDS ?= 20000
simulate: ## SEEDS=n faulty schedules of the whole pipeline on all cores; SEED=s tells the story of one
	cargo build --quiet --workspace --bin simulate
	target/debug/simulate $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))

mutations: ## Break the protocol in a copy of the source, in sixteen ways; the simulation has to find each
	tests/hunt/mutations/run

SECONDS ?= 10
fuzz: ## SECONDS=n of coverage-guided fuzzing for each target, or for TARGET=t alone (C++ compiler)
	tests/hunt/fuzz/run $(SECONDS) $(TARGET)

# The functions are built as cargo lambda builds them, each by itself and for the oldest CPU that Lambda has, and measured as
# processes; then the harness, in the same way.
BENCH ?=
BENCH_TARGET = x86_64-unknown-linux-gnu
BENCH_CARGO = CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-C target-cpu=haswell" cargo
BENCH_PROFILE = --quiet --release --target $(BENCH_TARGET)
bench: ## What it costs, beside a Python peer and the recipe, in one run: target/bench (Linux x86_64, Python 3.11, 3 GB)
	$(BENCH_CARGO) build $(BENCH_PROFILE) --package detector
	$(BENCH_CARGO) build $(BENCH_PROFILE) --package alerter
	$(BENCH_CARGO) run $(BENCH_PROFILE) --package benches --bin bench -- $(BENCH)

fmt:
	cargo fmt --all --check

lint:
	cargo clippy --workspace --all-targets --quiet -- --deny warnings

full-stack: ## sam build, sam deploy to an emulator on loopback, transactions through it (Linux x86_64, Python 3.11, openssl)
	tests/deployed/full-stack/run

report: ## The report of `sigma replay` in a real browser; screenshots in target/report (Python 3.11, Chromium)
	tests/deployed/report/run

template: ## The gates of template.yaml: sam validate, cfn-lint, checkov, and what they do not see (Python 3.11)
	tests/deployed/template/run
