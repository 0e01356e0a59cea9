# Sidegate: every step that CI or a person runs. `make` or `make help` lists them.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

CARGO ?= cargo
WASM_CARGO := scripts/wasm-cargo.sh
TARGET_DIR := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
WASM_OUT := $(TARGET_DIR)/wasm32-unknown-unknown/wasm
# The crates that only ever run in a proxy are linted for it and left out of what runs here; of the filter's, the border
# to the proxy is tested here as well.
WASM_ONLY := sidegate-bench-noop sidegate-bench-bare sidegate-bench-rvm
HOST_CRATES := --workspace $(addprefix --exclude ,$(WASM_ONLY))
DEMO_POLICY := policies/examples/storefront
DEMO_ENTRYPOINT := storefront/authz/decision

.PHONY: help manifests attacks metrics dashboard fuzz miri reproducible sbom lookups registers setup setup-demo setup-test setup-wasm wasm oci test-oci cli bundle lint deny test test-host test-wasm \
	test-policies test-cases matrix conformance conformance-record differential slices opa-bundles fixtures builtins declarations \
	istio-rbac e2e-istio imports \
	demo demo-rollout hostile soak bench bench-budget bench-check bench-host bench-instructions bench-plan bench-publish bench-rbac bench-replay \
	bench-report bench-rollout simulate noop clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

# --- set-up ---

setup: setup-test ## find or install everything that building, demo, tests and bench need
setup-wasm:
	@scripts/setup.sh wasm
setup-demo:
	@scripts/setup.sh demo
setup-test:
	@scripts/setup.sh test

# --- products ---

wasm: setup-wasm ## dist/sidegate.wasm, its imports and size checked
	@echo "wasm: building sidegate-filter"
	@$(WASM_CARGO) build --profile wasm --locked -p sidegate-filter
	@mkdir -p dist
	@scripts/optimize-wasm.sh $(WASM_OUT)/sidegate.wasm dist/sidegate.wasm
	@$(CARGO) run -q --locked -p sidegate-tests --bin check-wasm -- dist/sidegate.wasm

# The commit is said where git knows it; what is not committed is said to be besides.
oci: wasm ## dist/sidegate.oci and .tar: the filter as an OCI image for Istio, the same bytes each time (docs/oci.md)
	@revision=$$(git describe --always --abbrev=40 --match=- --dirty 2>/dev/null || true); \
	$(CARGO) run -q --locked -p sidegate-tests --bin oci -- dist/sidegate.wasm dist/sidegate.oci $${revision:+--revision $$revision}

cli: ## target/release/sidegate
	@echo "cli: building sidegate"
	@$(CARGO) build --release --locked -p sidegate

# By the program as the tests build it: the demo need not wait for an optimized one.
bundle: ## dist/demo-bundle.tar.gz from the demo policy
	@mkdir -p dist
	@$(CARGO) run -q --locked -p sidegate -- build $(DEMO_POLICY) -o dist/demo-bundle.tar.gz --entrypoint $(DEMO_ENTRYPOINT)

# What the bench measures beside the filter: one at a time, for features of one must not get into another.
noop:
	@for crate in noop bare rvm; do $(WASM_CARGO) build -q --profile wasm --locked -p sidegate-bench-$$crate; done
	@mkdir -p dist
	@cp $(WASM_OUT)/noop.wasm $(WASM_OUT)/bare.wasm $(WASM_OUT)/rvm.wasm dist/

# --- checks ---

miri: ## the border to the proxy (filter/src/host) under Miri, with a host in Rust on the other side (needs a nightly)
	@$(CARGO) +nightly miri --version >/dev/null 2>&1 || { \
		echo "miri: expected a nightly toolchain with Miri, found none; run: rustup toolchain install nightly --component miri,rust-src" >&2; exit 1; }
	MIRIFLAGS=-Zmiri-strict-provenance $(CARGO) +nightly miri test --locked -p sidegate-filter --test host

reproducible: setup-wasm ## the filter built twice from what is committed, in other folders: the same bytes (minutes)
	@scripts/reproducible.sh

sbom: ## dist/*.cdx.json: what is in the filter and in the program, as CycloneDX (installs cargo-cyclonedx once, minutes)
	@scripts/sbom.sh

manifests: ## envoy-config/istio is what `sidegate render` makes of its values; UPDATE=1 rewrites it
	@$(if $(UPDATE),SIDEGATE_BLESS=1) $(CARGO) test -q --locked -p sidegate --test manifests

lint: setup-wasm ## formatting, clippy on host and wasm32, file sizes, shell scripts
	$(CARGO) fmt --all --check
	$(CARGO) clippy -q --locked $(HOST_CRATES) --all-targets -- -D warnings
	$(WASM_CARGO) clippy -q --locked -p sidegate-filter $(addprefix -p ,$(WASM_ONLY)) -- -D warnings
	scripts/check-files.sh
	@if command -v shellcheck >/dev/null; then echo shellcheck scripts/*.sh .ci/run; shellcheck -x scripts/*.sh .ci/run; \
	else echo "lint: shellcheck is not installed, shell scripts not checked (apt-get install shellcheck)"; fi

deny: ## licences, bans and sources of all dependencies (installs cargo-deny once, minutes)
	@scripts/deny.sh

fuzz: ## every fuzz target for TIME=600 seconds (needs C++, nightly Rust is best); ONLY=target SEED=1 KEEP=1
	@scripts/fuzz.sh

test: setup-test wasm bundle test-host test-wasm test-policies ## all tests: host crates, wasm32 in Node, cases on four paths, policies

test-host: # every host crate; the tests crate runs the cases, and so needs the wasm and both Envoys
	$(CARGO) test --locked $(HOST_CRATES)

test-wasm:
	$(WASM_CARGO) test --locked -p sidegate-engine --lib

test-policies: ## the sample policies' and the library's own tests, every line of them covered; the sample mesh
	@$(CARGO) run -q --locked -p sidegate -- test $(DEMO_POLICY) --threshold 100
	@$(CARGO) run -q --locked -p sidegate -- test policies/lib --threshold 100
	@$(CARGO) run -q --locked -p sidegate -- check policies --strict

test-cases: setup-test wasm ## the cases alone; CASES=word runs those whose name has it
	$(CARGO) test --locked -p sidegate-tests --test cases -- $(CASES)

matrix: wasm ## every test with an Envoy on every Envoy that is supported; UPDATE=1 writes README's table; ONLY=1.38 TEST=name
	@scripts/setup.sh matrix
	@$(CARGO) run -q --locked -p sidegate-tests --bin matrix -- $(if $(UPDATE),--update) $(if $(ONLY),--only "$(ONLY)") \
		$(if $(TEST),--test "$(TEST)") $(HOST_CRATES)

# Go is needed for OPA's own cases and programs alone; OPA_CASES=DIR takes the cases from elsewhere.
OPA_QUESTIONS := $(TARGET_DIR)/conformance
CONFORMANCE := $(CARGO) run -q --locked -p sidegate-tests --bin conformance --

conformance: wasm ## OPA's own cases against the committed report (needs Go); UPDATE=1 rewrites it
	@cases=$$(scripts/opa-cases.sh); $(CONFORMANCE) "$$cases" --details $(TARGET_DIR)/conformance.txt \
		$(if $(UPDATE),--update) $(if $(ONLY),--only "$(ONLY)")

conformance-record: # OPA's answers, where its Envoy plugin's mode makes them other than the cases say
	@mkdir -p $(OPA_QUESTIONS)
	@cases=$$(scripts/opa-cases.sh); $(CONFORMANCE) "$$cases" --questions $(OPA_QUESTIONS)/questions.json; \
	(cd tests/opa/conformance && go run .) <$(OPA_QUESTIONS)/questions.json >$(OPA_QUESTIONS)/answers.json; \
	$(CONFORMANCE) "$$cases" --record $(OPA_QUESTIONS)/answers.json

differential: ## the same policies and requests through a real OPA in Envoy (needs Go); SEED=n REQUESTS=n ONLY=word
	@scripts/setup.sh differential
	@$(MAKE) wasm
	@$(CARGO) run -q --locked -p sidegate-tests --bin differential -- $(if $(SEED),--seed $(SEED)) \
		$(if $(REQUESTS),--requests $(REQUESTS)) $(if $(ONLY),--only "$(ONLY)")

OPA = $(if $(SIDEGATE_CACHE),$(SIDEGATE_CACHE),$(HOME)/.cache/sidegate)/opa-envoy/current/opa

declarations: ## the library for declarations in a real OPA, against plan and model (needs Go); COUNT=n SEED=n
	@scripts/setup.sh differential
	$(OPA) check --strict policies/lib
	$(OPA) test policies/lib
	@$(CARGO) run -q --locked -p sidegate-compiler --example declarations -- $(OPA) $(or $(COUNT),1000) $(or $(SEED),1)
	@SIDEGATE_TABLES=$(or $(COUNT),1000) SIDEGATE_DECLARE_SEED=$(or $(SEED),1) \
		$(CARGO) test -q --locked -p sidegate-compiler --test declare_table -- --nocapture

attacks: setup-test wasm ## attacks on policies in real Envoys (docs/attacks.md); UPDATE=1 rewrites it, COUNT=n random paths, SEED=n
	@$(if $(UPDATE),SIDEGATE_BLESS=1) SIDEGATE_ATTACKS=$(or $(COUNT),3000) SIDEGATE_ATTACKS_SEED=$(or $(SEED),1) \
		$(CARGO) test -q --locked -p sidegate-tests --test attacks --test network -- --nocapture

lookups: ## random policies with lookups, without them and in the interpreter, 40 requests each; COUNT=n SEED=n
	@SIDEGATE_LOOKUPS=$(or $(COUNT),25000) SIDEGATE_LOOKUPS_SEED=$(or $(SEED),1000) $(CARGO) test -q --locked \
		-p sidegate-compiler --test lookups -- --nocapture

registers: ## random policies with shared registers and with own ones, with lookups and without; COUNT=n SEED=n
	@SIDEGATE_REGISTERS=$(or $(COUNT),4000) SIDEGATE_REGISTERS_SEED=$(or $(SEED),10000) $(CARGO) test -q --locked \
		-p sidegate-compiler --test registers -- --nocapture

e2e-istio: ## a real istiod, Istio's agents and Envoys: installed, changed, broken, removed (Go, root); ONLY=1.31, UPDATE=1 writes docs/e2e-istio.md
	@scripts/setup.sh istio
	@$(MAKE) wasm
	@$(CARGO) build -q --locked $(HOST_CRATES) --bins
	@$(if $(UPDATE),SIDEGATE_BLESS=1) $(TARGET_DIR)/debug/e2e-istio $(ONLY)

istio-rbac: ## writes anew what istiod makes of made-up AuthorizationPolicies (needs Go); SETS=n
	@command -v go >/dev/null || { echo "istio-rbac: expected go 1.26, found none; run: apt-get install golang" >&2; exit 1; }
	@$(CARGO) run -q --locked -p sidegate-compiler --example policies -- 1 $(or $(SETS),60) > $(TARGET_DIR)/policies.jsonl
	@cd tests/istio/rbac && go run . < $(abspath $(TARGET_DIR))/policies.jsonl > ../rbac.new && mv ../rbac.new ../rbac.jsonl

test-oci: oci ## the image pulled from a registry on 127.0.0.1 by the code of Istio's agent (needs Go)
	@command -v go >/dev/null || { echo "test-oci: expected go 1.26, found none; run: apt-get install golang" >&2; exit 1; }
	@cd tests/istio/oci && go run . ../../../dist/sidegate.oci ../../../dist/sidegate.wasm

imports: ## AuthorizationPolicies made up, as declarations and by a model of Istio; COUNT=n SEED=n
	@SIDEGATE_IMPORTS=$(or $(COUNT),1500) SIDEGATE_IMPORT_SEED=$(or $(SEED),1) $(CARGO) test -q --locked \
		-p sidegate-compiler --test import -- nobody --nocapture

opa-bundles: ## bundles signed here loaded by OPA, signed by OPA trusted here, changed ones refused by both (needs Go)
	@command -v go >/dev/null || { echo "opa-bundles: expected go 1.26, found none; run: apt-get install golang" >&2; exit 1; }
	@$(CARGO) run -q --locked -p sidegate-tests --bin opa-bundles

slices: ## random policies as a whole and as slices, answered by a real OPA and here (needs Go); POLICIES=n SEED=n
	@command -v go >/dev/null || { echo "slices: expected go 1.26, found none; run: apt-get install golang" >&2; exit 1; }
	@$(CARGO) run -q --locked -p sidegate-tests --bin slices -- $(if $(POLICIES),--policies $(POLICIES)) $(if $(SEED),--seed $(SEED))

# The answers of a real OPA that the engine is compared with; needs Go and its module proxy.
fixtures: ## writes the fixtures about bodies and builtins anew from the real OPA
	@command -v go >/dev/null || { echo "fixtures: expected go 1.26, found none; run: apt-get install golang" >&2; exit 1; }
	cd tests/opa/body && go run . ../../..
	cd tests/opa/crypto && TZ=UTC go run . ../../../engine/tests/fixtures/builtins-crypto.json
	cd tests/opa/values && go run . arithmetic 1000 7 > arithmetic.jsonl && mv arithmetic.jsonl ../../../engine/tests/fixtures/
	cd tests/opa/values && go run . tables ../../../engine/src/eval/unicode/tables.bin
	(cd tests/opa/values && go run . fixed) | $(CARGO) run -q --locked -p sidegate-engine --example judge -- fixture > $(TARGET_DIR)/values.json
	mv $(TARGET_DIR)/values.json engine/tests/fixtures/builtins-values.json
	cd tests/opa/bundles && go run . structural > structural.json && mv structural.json ../../../compiler/tests/fixtures/
	$(CARGO) run -q --locked -p sidegate-tests --bin opa-bundles -- --fixtures engine/tests/fixtures/bundles

builtins: ## CALLS random calls of each family of builtins (20000; SEED), answered by OPA and here; any difference fails
	@command -v go >/dev/null || { echo "builtins: expected go 1.26, found none; run: apt-get install golang" >&2; exit 1; }
	(cd tests/opa/values && go run . random $(or $(CALLS),20000) $(or $(SEED),1)) | $(CARGO) run -q --locked -p sidegate-engine --example judge

# --- to see it work ---

hostile: setup-demo wasm ## malformed and extreme requests of every kind, good ones between them; REQUESTS=n SEED=n
	@$(CARGO) run -q --locked -p sidegate-tests --bin hostile -- --requests $(or $(REQUESTS),100000) --seed $(or $(SEED),1)

metrics: setup-test wasm ## the reference of stats and codes, labels, alerts and dashboard against real proxies; UPDATE=1 rewrites it
	@$(if $(UPDATE),SIDEGATE_BLESS=1) $(CARGO) test -q --locked -p sidegate-tests --test observability

dashboard: setup-test wasm ## docs/images/dashboard.svg, drawn from a real run of four minutes
	@$(CARGO) run -q --locked -p sidegate-tests --bin dashboard

soak: setup-demo wasm ## policy, configuration, process, clock and server change and fail under load; MINUTES=n SEED=n
	@$(CARGO) run -q --locked -p sidegate-tests --bin soak -- --minutes $(or $(MINUTES),60) --seed $(or $(SEED),1)

demo: setup-demo wasm bundle ## a real Envoy with mTLS, three callers, a table; KEEP=1 keeps it up
	@$(CARGO) run -q --locked -p sidegate-tests --bin demo -- $(if $(KEEP),--keep)

demo-rollout: setup-demo wasm ## policies published, tried, promoted, refused and rolled back under load
	@$(CARGO) build -q --locked -p sidegate
	@$(CARGO) run -q --locked -p sidegate-tests --bin demo-rollout

BENCH := $(CARGO) run -q --locked --release -p sidegate-bench --bin

bench: wasm noop ## the table: none, no-op filters, native RBAC, Sidegate, OPA (Go); SWEEP=table,latency,… BENCH_ROUNDS=n
	@scripts/setup.sh bench
	@$(BENCH) sidegate-bench

bench-report: ## plots and tables of the docs again, from bench/results/latest.json
	@$(BENCH) sidegate-bench -- report

bench-rbac: ## writes anew what istiod makes of the policies that native RBAC is measured with (needs Go)
	@command -v go >/dev/null || { echo "bench-rbac: expected go 1.26, found none; run: apt-get install golang" >&2; exit 1; }
	@$(CARGO) run -q --locked -p sidegate-bench --bin rbac-question > $(TARGET_DIR)/rbac-question.jsonl
	@cd tests/istio/rbac && go run . < $(abspath $(TARGET_DIR))/rbac-question.jsonl > ../rbac.new && mv ../rbac.new ../../../bench/istiod-rbac.json

bench-host: ## pieces of a request on the host, by criterion; ONLY=word
	@$(CARGO) bench -q --locked -p sidegate-bench --bench paths -- $(ONLY)

bench-instructions: ## instructions of those pieces, by callgrind, against bench/instructions.json; UPDATE=1 rewrites it
	@command -v valgrind >/dev/null || { echo "bench-instructions: expected valgrind, found none; run: apt-get install valgrind" >&2; exit 1; }
	@$(BENCH) instructions -- $(if $(UPDATE),--update)

simulate: ## what 100,000 sidecars ask of the server that they fetch policies from; writes docs/scale.md
	@$(BENCH) simulate

bench-budget: setup-demo wasm ## CPU of requests whose policies would go on for long and are stopped
	@$(CARGO) run -q --locked -p sidegate-bench --bin budget

bench-publish: cli ## time and memory of publishing for SERVICES (10000) of CALLERS (20) each, and again after one change
	@$(CARGO) run -q --locked -p sidegate-bench --bin publish -- $(if $(SERVICES),--services $(SERVICES)) \
		$(if $(CALLERS),--callers $(CALLERS))

bench-rollout: setup-demo wasm ## 100 changes under load: wrong answers, memory, time to the last worker; SWAPS=n REQUESTS=n
	@$(CARGO) run -q --locked -p sidegate-tests --bin bench-rollout -- --swaps $(or $(SWAPS),100) --requests $(or $(REQUESTS),20000)

bench-check: cli ## how long `sidegate check` takes; SERVICES=n declarations (10,000)
	@rm -rf $(TARGET_DIR)/mesh
	@$(CARGO) run -q --locked -p sidegate-compiler --example mesh -- $(TARGET_DIR)/mesh $(or $(SERVICES),10000)
	time $(TARGET_DIR)/release/sidegate check $(TARGET_DIR)/mesh --strict

bench-plan: cli ## how long `sidegate plan` takes; SERVICES=n declarations (10,000), one in a hundred of which changes
	@rm -rf $(TARGET_DIR)/mesh-old $(TARGET_DIR)/mesh-new
	@for state in old new; do \
		$(CARGO) run -q --locked -p sidegate-compiler --example mesh -- $(TARGET_DIR)/mesh-$$state $(or $(SERVICES),10000); done
	@sed -i 's/GET, POST/GET, PUT/' $(TARGET_DIR)/mesh-new/services/ns7/*.yaml
	time $(TARGET_DIR)/release/sidegate plan $(TARGET_DIR)/mesh-old $(TARGET_DIR)/mesh-new > $(TARGET_DIR)/plan.txt || test $$? = 1
	@tail -1 $(TARGET_DIR)/plan.txt

bench-replay: cli ## how long `sidegate replay` takes; EVENTS=n decisions (1,000,000) of SERVICES=n (1,000), some of which change
	@rm -rf $(TARGET_DIR)/mesh
	@$(CARGO) run -q --locked -p sidegate-compiler --example mesh -- $(TARGET_DIR)/mesh $(or $(SERVICES),1000)
	@$(CARGO) run -q --locked -p sidegate-compiler --example events -- $(TARGET_DIR)/events.json.gz $(or $(EVENTS),1000000) $(or $(SERVICES),1000)
	@sed -i 's/GET, POST/GET, PUT/' $(TARGET_DIR)/mesh/services/ns7/*.yaml
	time $(TARGET_DIR)/release/sidegate replay $(TARGET_DIR)/events.json.gz -b $(TARGET_DIR)/mesh > $(TARGET_DIR)/replay.txt || test $$? = 1
	@tail -3 $(TARGET_DIR)/replay.txt

clean: ## remove what was built (the cache of tools stays)
	$(CARGO) clean
	rm -rf dist
