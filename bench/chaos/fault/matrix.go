package fault

import (
	"math/rand/v2"
	"time"

	"vitrine/bench/chaos/history"
	"vitrine/bench/cluster"
)

// Matrix returns every fault. disk reports whether PostgreSQL has a separate disk that
// can be filled.
func Matrix(disk bool) []Fault {
	const short, long = 3 * time.Second, 6 * time.Second
	faults := []Fault{
		{Name: "replica: kill -9", Hold: short, Smoke: true, inject: killReplica},
		{Name: "replica: SIGTERM," + history.OrderlySuffix, Hold: short, Smoke: true, inject: stopReplica},
		{Name: "replica: frozen", Hold: long, Smoke: true, inject: freezeReplica},
		{Name: "all replicas: kill -9", Hold: time.Second, inject: killAll},
		{Name: "picture hosts: fail", Hold: short, inject: breakSource},
		{Name: "redis: comes back with old data", Hold: time.Second, Smoke: true, inject: rollBack},
		{Name: "redis: restarted", Hold: short, inject: runCommand("stop", cluster.Redis)},
		{Name: "rabbitmq: wiped", Hold: short, Smoke: true, Surge: backlog, inject: wipeQueue},
		{Name: "rabbitmq: memory alarm", Hold: long, inject: alarm},
	}
	for _, server := range cluster.AllServers {
		faults = append(faults,
			Fault{
				Name: string(server) + ": kill -9", Hold: short, inject: runCommand("kill", server),
				Smoke: server != cluster.RabbitMQ, // "wiped" includes it
			},
			Fault{
				Name: string(server) + ": frozen", Hold: long, inject: freeze(server),
				Smoke: server == cluster.Postgres || server == cluster.Redis,
			},
		)
	}
	if disk {
		faults = append(faults, Fault{Name: "postgres: disk full", Hold: long, Smoke: true, inject: fill})
	}
	return append(faults, networkFaults()...)
}

// Smoke returns the faults of the smoke test: the few that find the most.
func Smoke(all []Fault) []Fault {
	var few []Fault
	for _, f := range all {
		if f.Smoke {
			few = append(few, f)
		}
	}
	return few
}

// Select returns n faults in a random order. Each occurs equally often, give or take
// one.
func Select(all []Fault, n int, seed uint64) []Fault {
	rng := rand.New(rand.NewPCG(seed, 1))
	var chosen []Fault
	for len(chosen) < n {
		for _, i := range rng.Perm(len(all)) {
			if len(chosen) < n {
				chosen = append(chosen, all[i])
			}
		}
	}
	return chosen
}
