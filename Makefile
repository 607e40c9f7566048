# Set here because GOTOOLCHAIN=local would ignore the toolchain line of go.mod.
export GOTOOLCHAIN := go1.27.2
export GOFLAGS     := -buildvcs=false
# Vector instructions for scaling. Without them scaling is slower, with the same result.
export GOEXPERIMENT := simd
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

BIN     := .local/bin
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unknown)
# The packages that compute pixels. With the race detector they take ten times as long, and
# they have nothing for it to find: only the tests named TestConcurrent use goroutines.
PIXELS  := $(addprefix ./imaging/,process process/colour jpeg/... webp resize icc ssim thumbhash imagingtest/...) ./bench/images
# The beginning of every command that uses the local servers.
WITH_SERVERS := set -a; eval "$$(deploy/local env)"; set +a;

.PHONY: help run test bench chaos freshness bench-images fuzz fuzz-api client-check docs-check lint fmt build up down clean
help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: up build ## start everything, process demo images, keep serving
	@$(WITH_SERVERS) exec $(BIN)/demo $(BIN)/vitrine

test: up ## run every test against real servers, with the race detector except for pixel code
	@go test -timeout 10m $(PIXELS)
	@go test -race -timeout 10m -run '^TestConcurrent' ./imaging/process
	@others=$$(go list ./... | grep -vxFf <(go list $(PIXELS))); \
	$(WITH_SERVERS) go test -race -parallel 8 -timeout 15m $$others

bench: up ## run the Go benchmarks
	@$(WITH_SERVERS) go test -run '^$$' -bench . -benchmem -count 6 ./...

chaos: ## inject 64 faults under load in about 10 minutes; FULL=1 for every fault three times, SMOKE=1 for under three minutes
	@go run ./bench/chaos $(if $(FULL),-full)$(if $(SMOKE),-smoke)

freshness: ## count stale reads after PAIRS=1000000 writes through another replica
	@go run ./bench/freshness $(if $(PAIRS),-pairs $(PAIRS))

bench-images: ## compare the image pipeline with x/image and libvips; DIR=folder adds your images
	@go run ./bench/images -dir "$(DIR)"

fuzz: up ## run every fuzz target for FUZZTIME=1m; TARGET=process.FuzzPNG selects one
	@$(WITH_SERVERS) go run ./bench/fuzz $(if $(FUZZTIME),-time $(FUZZTIME)) $(if $(TARGET),-target '$(TARGET)')

fuzz-api: ## send REQUESTS=50000 requests generated from the OpenAPI document; SEED=n repeats a run
	@go run ./bench/fuzzapi $(if $(REQUESTS),-requests $(REQUESTS)) $(if $(SEED),-seed $(SEED))

client-check: ## generate a TypeScript client from the OpenAPI document, compile it, use the API with it
	@go run ./bench/client

docs-check: ## check the pages under /docs in a real browser; SCREENSHOTS=folder keeps screenshots
	@go run ./bench/docs -screenshots "$(SCREENSHOTS)"

lint: ## gofmt, vet and golangci-lint
	@deploy/lint

fmt: ## format the code
	@gofmt -w .

build: ## build the service and the demo into .local/bin
	@mkdir -p $(BIN)
	@CGO_ENABLED=0 go build -trimpath -ldflags "-X main.version=$(VERSION)" -o $(BIN)/vitrine .
	@CGO_ENABLED=0 go build -o $(BIN)/demo ./deploy/demo

up: ## install what is missing, start PostgreSQL, Redis, RabbitMQ and MinIO
	@deploy/local up

down: ## stop the servers, keep their data
	@deploy/local down

clean: ## stop the servers, delete their data and the built programs
	@deploy/local down --wipe
	@rm -rf .local
