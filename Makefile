# Everything a developer does here. Needs Rust with a C compiler; what needs more says so.

.PHONY: help demo test fmt lint template full-stack simulate bench
.DEFAULT_GOAL := help

help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | column -t -s '	'

demo: ## The whole pipeline on this machine: generated transactions in, alerts out
	cargo run --quiet --package sigma-cli -- demo --summary target/demo/summary.json

test: fmt lint template ## Everything: format, lints, the template's gates, every test, documentation, the full stack
	cargo test --workspace --quiet
	RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --quiet
	$(MAKE) full-stack

SEEDS ?= 20000
simulate: ## SEEDS=n faulty schedules of the whole pipeline on all cores; SEED=s replays one
	cargo run --quiet --profile simulate --package tests --bin simulate -- $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))

# The functions are built as they are deployed, each by itself, and measured as processes; then the harness, in the same profile.
BENCH ?=
bench: ## What it costs, beside a Python peer and the recipe, in one run: target/bench (Linux, Python 3.11, 3 GB of memory)
	cargo build --quiet --release --package detector
	cargo build --quiet --release --package alerter
	cargo run --quiet --release --package benches --bin bench -- $(BENCH)

fmt:
	cargo fmt --all --check

lint:
	cargo clippy --workspace --all-targets --quiet -- --deny warnings

full-stack: ## sam build, sam deploy to an emulator on loopback, transactions through it (Linux x86_64, Python 3.11, openssl)
	tests/full-stack/run

template: ## The gates of template.yaml: sam validate, cfn-lint, checkov, and what they do not see (Python 3.11)
	tests/template/run
