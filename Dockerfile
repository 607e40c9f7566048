# The image has one static binary and the CA certificates that downloads need: no shell,
# no package manager, no root.
FROM golang:1.27.2 AS build
ENV CGO_ENABLED=0 GOTOOLCHAIN=local GOEXPERIMENT=simd
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=container
RUN go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /vitrine .

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /vitrine /vitrine
USER 65532:65532
# Metrics are served on the container's loopback unless ADMIN_ADDR is set.
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["/vitrine", "healthcheck"]
ENTRYPOINT ["/vitrine"]
