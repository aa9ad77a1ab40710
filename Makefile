# Thin on purpose: what a target does stands in the script that it names.
.PHONY: demo check test soak bench

demo:
	cargo build --profile demo --locked -p haetae -p haetae-host -p haetae-demo -p haetae-file
	"$${CARGO_TARGET_DIR:-target}/demo/haetae" run --demo

check:
	tests/setup
	tests/gate check

test:
	tests/setup
	tests/gate

soak:
	tests/soak

PART ?= boundary alerts restore rules history
bench:
	cargo bench --locked -p haetae $(PART:%=--bench %)
