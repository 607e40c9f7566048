# Set here because GOTOOLCHAIN=local ignores the toolchain line of go.mod.
export GOTOOLCHAIN := go1.27.2
export GOFLAGS     := -buildvcs=false
# Enables vector instructions for scaling. Without them the pixels are the same but take longer.
export GOEXPERIMENT := simd
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

BIN     := .local/bin
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unknown)
# Loads the settings of the local servers.
WITH_SERVERS := set -a; eval "$$(deploy/local env)"; set +a;

.PHONY: help run test bench chaos freshness bench-images fuzz fuzz-api client-check docs-check lint fmt build up down clean
help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: up build ## start the servers and the service, process the demo pictures, keep serving
	@$(WITH_SERVERS) exec $(BIN)/demo $(BIN)/vitrine

test: up ## run all tests against real servers with the race detector
	@$(WITH_SERVERS) go test -race -timeout 15m ./...

bench: up ## benchmark optimised code against what it replaces
	@$(WITH_SERVERS) go test -run '^$$' -bench . -benchmem -count 6 ./...

chaos: ## inject 64 faults into three replicas under load, about 10 minutes; FULL=1 runs the whole matrix three times, SMOKE=1 takes under three minutes
	@go run ./bench/chaos $(if $(FULL),-full)$(if $(SMOKE),-smoke)

freshness: ## write through one replica and read through another, PAIRS=1000000 times, and count stale reads
	@go run ./bench/freshness $(if $(PAIRS),-pairs $(PAIRS))

bench-images: ## compare the picture pipeline with x/image and libvips; DIR=folder adds your own
	@go run ./bench/images -dir "$(DIR)"

fuzz: up ## run every fuzz target for FUZZTIME=1m each; TARGET=process.FuzzPNG names one
	@$(WITH_SERVERS) go run ./bench/fuzz $(if $(FUZZTIME),-time $(FUZZTIME)) $(if $(TARGET),-target '$(TARGET)')

fuzz-api: ## send REQUESTS=50000 valid and invalid requests generated from the OpenAPI document; SEED=n repeats a run
	@go run ./bench/fuzzapi $(if $(REQUESTS),-requests $(REQUESTS)) $(if $(SEED),-seed $(SEED))

client-check: ## generate a TypeScript client from the OpenAPI document, compile it and call the API with it
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

up: ## install what is missing and start PostgreSQL, Redis, RabbitMQ and MinIO
	@deploy/local up

down: ## stop the servers and keep their data
	@deploy/local down

clean: ## stop the servers, delete their data and all build results
	@deploy/local down --wipe
	@rm -rf .local
