package fault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vitrine/bench/cluster"
)

// network returns an injector of a fault in the link to a server, of one replica or of
// all.
func network(server cluster.Server, all bool, do func(*Stage, *cluster.Link) error) injector {
	return func(_ context.Context, s *Stage) (func(context.Context) error, error) {
		replicas := s.Cluster.Replicas
		if !all {
			replicas = []*cluster.Replica{s.replica(false)}
		}
		var errs []error
		for _, r := range replicas {
			errs = append(errs, do(s, r.Links[server]))
		}
		return func(ctx context.Context) error {
			var errs []error
			for _, r := range replicas {
				errs = append(errs, r.Links[server].Heal(ctx))
			}
			return errors.Join(errs...)
		}, errors.Join(errs...)
	}
}

// linkFaults are the faults of a link to a server.
var linkFaults = []struct {
	name string
	do   func(*Stage, *cluster.Link) error
}{
	{"latency", func(s *Stage, l *cluster.Link) error {
		ms := int(s.between(200*time.Millisecond, 2*time.Second).Milliseconds())
		return l.Latency(ms, ms/4)
	}},
	{"resets", func(_ *Stage, l *cluster.Link) error { return l.Reset() }},
	{"black hole", func(_ *Stage, l *cluster.Link) error { return l.BlackHole() }},
}

// networkFaults returns every fault of a link for every server, for one replica and for
// all.
func networkFaults() []Fault {
	var faults []Fault
	for _, server := range cluster.AllServers {
		for _, f := range linkFaults {
			for _, all := range []bool{false, true} {
				who := "one"
				if all {
					who = "all"
				}
				faults = append(faults, Fault{
					Name:   fmt.Sprintf("%s: %s (%s)", server, f.name, who),
					Hold:   3 * time.Second,
					Smoke:  f.name == "black hole" && !all && (server == cluster.Redis || server == cluster.RabbitMQ),
					inject: network(server, all, f.do),
				})
			}
		}
	}
	return faults
}
