package fault

import (
	"context"
	"errors"

	"vitrine/bench/chaos/history"
	"vitrine/bench/cluster"
)

// killReplica kills a replica, as a crash does.
func killReplica(_ context.Context, s *Stage) (func(context.Context) error, error) {
	r := s.replica(true)
	r.Kill()
	return func(context.Context) error { return r.Start() }, nil
}

// killAll kills all replicas at once, as a power cut does.
func killAll(_ context.Context, s *Stage) (func(context.Context) error, error) {
	for _, r := range s.Cluster.Replicas {
		r.Kill()
	}
	return func(context.Context) error {
		var errs []error
		for _, r := range s.Cluster.Replicas {
			errs = append(errs, r.Start())
		}
		return errors.Join(errs...)
	}, nil
}

// freezeReplica suspends a replica.
func freezeReplica(_ context.Context, s *Stage) (func(context.Context) error, error) {
	r := s.replica(false)
	return func(context.Context) error { return r.Thaw() }, r.Freeze()
}

// stopReplica stops a replica with SIGTERM.
func stopReplica(_ context.Context, s *Stage) (func(context.Context) error, error) {
	return restart(s, s.replica(true))
}

// restart stops a replica, records the stop, and returns a function that starts it.
func restart(s *Stage, r *cluster.Replica) (func(context.Context) error, error) {
	op := history.Op{Kind: history.Stop, Start: s.Log.Now(), Replica: r.Name}
	if err := r.Stop(); err != nil {
		op.Error = err.Error()
	}
	s.Log.Add(op)
	return func(context.Context) error { return r.Start() }, nil
}

// breakSource makes the hosts of all pictures fail for a while. The images have to wait
// for them.
func breakSource(_ context.Context, s *Stage) (func(context.Context) error, error) {
	s.Source.Break()
	return func(context.Context) error {
		s.Source.Mend()
		return nil
	}, nil
}
