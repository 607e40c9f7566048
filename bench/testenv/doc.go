// Package testenv makes the environment of tests: schemas, caches, queues and buckets of their
// own on the local servers, the services of the product on top of them, and proxies, gates
// and stores that fail or wait on demand.
//
// [New] makes an [Environment]: the services of one process with a database and a cache.
// [NewPipeline] adds an image worker, a bucket and a server with sources. [NewInstallation]
// adds a broker, for tests of several processes. Begin reading with environment.go.
//
// The package may import every package of the project but main and product/web. Only external
// tests (package x_test) may import it.
package testenv
