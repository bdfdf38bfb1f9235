# What a developer and CI run; nothing else lives here.

GO        ?= go
FUZZTIME  ?= 1m
PICTURES  ?= /tmp/symbolon-pictures
SOAKTIME  ?= 1h
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.7.0

.PHONY: run demo build test unit e2e check race fuzz bench bench-nodes bench-growth microbench profile soak tools clean

## run: the service with no configuration at all; prints curl lines to paste
run: build
	./symbolon serve --dev

## demo: every request on a throw-away server
demo: build
	./symbolon demo

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o symbolon ./cmd/symbolon

## test: installs what the tests need, then runs everything
test: tools unit e2e

unit:
	$(GO) test -timeout 30m ./...

# Real programs against the real binary. SYMBOLON_SHARED_TIME=60s is how long fifty processes share one file of tokens;
# without it they do for 20 s. SYMBOLON_CUT_TIME=60s is how long the network of one server is cut; without it, 8 s.
e2e: tools build
	@echo "pictures of every page go to $(PICTURES)"
	SYMBOLON_PICTURES=$(PICTURES) SYMBOLON_BINARY=$(CURDIR)/symbolon $(GO) test -tags e2e -count=1 -timeout 30m ./e2e/... ./internal/store/...

## check: formatting, vet, staticcheck if it can be had, the import rules
check:
	@bad=$$(gofmt -l .); if [ -n "$$bad" ]; then echo "run gofmt on:"; echo "$$bad"; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags e2e ./e2e/... ./internal/store/...
	@if $(GO) run $(STATICCHECK) -version >/dev/null 2>&1; then \
		echo "$(GO) run $(STATICCHECK) ./..."; $(GO) run $(STATICCHECK) ./... && $(GO) run $(STATICCHECK) -tags e2e ./e2e/... ./internal/store/...; \
	else echo "staticcheck cannot be had here (go run $(STATICCHECK)): not checked"; fi
	$(GO) test -count=1 -run TestImport .

## race: the packages where goroutines meet, under the race detector (needs gcc)
race:
	$(GO) test -race ./internal/token/... ./internal/store/... ./internal/keyring/... ./internal/account/... ./internal/signin/... ./internal/httpio/... ./internal/app/... ./client

## fuzz: each decoder of outside bytes for FUZZTIME
fuzz:
	@$(GO) list ./... | while read -r pkg; do \
		$(GO) test -list '^Fuzz' "$$pkg" | grep '^Fuzz' | while read -r f; do \
			echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) "$$pkg" </dev/null || exit 1; \
		done || exit 1; \
	done

## bench: every path of the real binary beside its floor, measured in the same run; into docs/performance.md too
bench: tools build
	$(GO) run -tags e2e ./e2e/bench -binary ./symbolon -write docs

## bench-nodes: three servers on one PostgreSQL: revoked here, refused there; rotations
bench-nodes: tools build
	$(GO) run -tags e2e ./e2e/benchnodes -binary ./symbolon

## bench-growth: starts, memory and rates with 10^5 to 10^7 grants on both stores, into docs/performance.md
bench-growth: tools build
	$(GO) run -tags e2e ./e2e/benchgrowth -binary ./symbolon -write

## soak: SOAKTIME of refreshes, revocations, key rotations and restarts on both stores; no leak, no error
soak: tools build
	$(GO) run -tags e2e ./e2e/soak -binary ./symbolon -for $(SOAKTIME)

## microbench: the engine's verbs and other inner parts, six times each, as benchstat reads them
microbench:
	@$(GO) test -run '^$$' -bench . -benchmem -count 6 $$(grep -rl --include='*_test.go' '^func Benchmark' . | xargs -n1 dirname | sort -u)

## profile: where the CPU time of the hottest paths goes, into docs/profiles
profile: tools
	$(GO) build -trimpath -tags profile -o symbolon-profile ./cmd/symbolon
	$(GO) run -tags e2e ./e2e/bench -binary ./symbolon-profile -profiles docs/profiles

# Programs that the tests run. As root, missing ones are installed from Debian's packages.
tools:
	@sh e2e/tools.sh

clean:
	rm -f symbolon symbolon-profile
