# The toolchain is named here because GOTOOLCHAIN=local would ignore go.mod's line.
export GOTOOLCHAIN := go1.27.2
export GOFLAGS     := -buildvcs=false
# Vector instructions for scaling; without them the same pixels take longer.
export GOEXPERIMENT := simd
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

BIN     := .local/bin
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unknown)
# Every command that talks to the local servers begins with their settings.
WITH_SERVERS := set -a; eval "$$(deploy/local env)"; set +a;

.PHONY: help run test bench chaos freshness bench-images fuzz fuzz-api client-check docs-check lint fmt build up down clean
help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: up build ## start everything, show the main job on demo pictures, keep serving
	@$(WITH_SERVERS) exec $(BIN)/demo $(BIN)/vitrine

test: up ## run every test against real servers, race detector on
	@$(WITH_SERVERS) go test -race -timeout 15m ./...

bench: up ## compare what is fast with what it replaces, in one run
	@$(WITH_SERVERS) go test -run '^$$' -bench . -benchmem -count 6 ./...

chaos: ## three replicas under load and 64 faults in about 10 minutes; FULL=1 for the whole matrix three times, SMOKE=1 for under three minutes
	@go run ./bench/chaos $(if $(FULL),-full)$(if $(SMOKE),-smoke)

freshness: ## write through one replica, read through another: PAIRS=1000000 times, count old values
	@go run ./bench/freshness $(if $(PAIRS),-pairs $(PAIRS))

bench-images: ## compare the picture pipeline with x/image and libvips; DIR=folder adds your own
	@go run ./bench/images -dir "$(DIR)"

fuzz: up ## run every fuzz target for FUZZTIME=1m each; TARGET=imaging.FuzzPNG names one
	@$(WITH_SERVERS) go run ./bench/fuzz $(if $(FUZZTIME),-time $(FUZZTIME)) $(if $(TARGET),-target '$(TARGET)')

fuzz-api: ## send REQUESTS=50000 valid and invalid requests made of the OpenAPI document; SEED=n makes them again
	@go run ./bench/fuzzapi $(if $(REQUESTS),-requests $(REQUESTS)) $(if $(SEED),-seed $(SEED))

client-check: ## generate a TypeScript client from the OpenAPI document, compile it, go through the API with it
	@go run ./bench/client

docs-check: ## look at the pages under /docs with a real browser; SCREENSHOTS=folder keeps pictures of them
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

down: ## stop what up started; the data stays
	@deploy/local down

clean: ## stop the servers and delete their data and all that was built
	@deploy/local down --wipe
	@rm -rf .local
