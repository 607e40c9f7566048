package testenv

import (
	"context"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
)

// patience limits each wait for something that must happen. It is long because the tests
// of many packages share the machine.
const patience = 60 * time.Second

// Eventually waits until done reports true, and fails the test if that takes
// longer than a minute. It is for conditions that nothing signals. what describes
// the condition.
func Eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); !done(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for: %s", patience, what)
		}
	}
}

// Receive returns the next value of c, and fails the test if none arrives within a
// minute. what describes the value.
func Receive[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case v := <-c:
		return v
	case <-timer.C:
		t.Fatalf("waited %v for: %s", patience, what)
		panic("unreachable")
	}
}

// Run calls run on a goroutine until the test ends or stop is called. Either cancels
// its context and waits for it to return; an error from it fails the test.
func Run(t testing.TB, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-timer.C:
			t.Errorf("Run has not returned %v after its context was canceled", patience)
		}
	})
	t.Cleanup(stop)
	return stop
}

// Quiet returns a logger that discards everything.
func Quiet() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}
