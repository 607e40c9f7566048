package fetch

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

const (
	// hostPatience is how long an image waits for its turn with a busy host before its
	// worker turns to another one. It is multiplied by one more than the number of the
	// image's deferrals, up to maxHostPatience, so that older images go first.
	hostPatience    = 100 * time.Millisecond
	maxHostPatience = 2 * time.Second
	// minHostWait and maxHostWait bound the time for which an image is deferred.
	minHostWait = time.Second
	maxHostWait = time.Minute
)

// hostQueues bound the number of downloads from each host at once. Other images wait a
// moment in order of arrival. Then each is deferred until about the time when the host
// should have finished those before it, so that many images do not come back again and
// again. Safe for concurrent use.
type hostQueues struct {
	limit int

	mu     sync.Mutex
	queues map[string]*hostQueue // of the hosts with a download in progress
}

type hostQueue struct {
	busy    int
	waiting []chan struct{} // a channel is closed when that image's turn comes
	// pace is the estimated time between the ends of two downloads. freed is when the
	// last one ended. next is when the image that was deferred last should come back.
	pace        time.Duration
	freed, next time.Time
}

func newHostQueues(limit int) *hostQueues {
	return &hostQueues{limit: limit, queues: map[string]*hostQueue{}}
}

// enter waits for an image's turn. It returns the function that ends the turn, or nil and
// the time for which the image is deferred. The error is ctx's.
func (q *hostQueues) enter(ctx context.Context, host string, deferrals int) (leave func(), wait time.Duration, err error) {
	leave = func() { q.leave(host) }
	q.mu.Lock()
	queue := q.queues[host]
	if queue == nil {
		queue = &hostQueue{freed: time.Now()}
		q.queues[host] = queue
	}
	if queue.busy < q.limit {
		queue.busy++
		q.mu.Unlock()
		return leave, 0, nil
	}
	turn := make(chan struct{})
	queue.waiting = append(queue.waiting, turn)
	q.mu.Unlock()

	patience := time.NewTimer(min(hostPatience*time.Duration(1+deferrals), maxHostPatience))
	defer patience.Stop()
	select {
	case <-turn:
		return leave, 0, nil
	case <-patience.C:
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if !queue.remove(turn) {
		return leave, 0, nil // the turn came at the last moment
	}
	return nil, queue.deferral(time.Now()), ctx.Err()
}

// remove removes an image from the queue. It reports whether the image was in it.
func (q *hostQueue) remove(turn chan struct{}) bool {
	i := slices.Index(q.waiting, turn)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return true
}

// deferral returns the time for which an image is deferred, shortened at random by up to a
// quarter. While no download ends, the pace is the time since the last one did.
func (q *hostQueue) deferral(now time.Time) time.Duration {
	pace := max(q.pace, now.Sub(q.freed))
	if q.next.Before(now) {
		q.next = now
	}
	q.next = q.next.Add(pace)
	if last := now.Add(maxHostWait); q.next.After(last) {
		q.next = last
	}
	wait := max(q.next.Sub(now), minHostWait)
	return wait - rand.N(wait/4)
}

// leave ends a turn and starts that of the next image.
func (q *hostQueues) leave(host string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	queue := q.queues[host]
	now := time.Now()
	queue.pace = (3*queue.pace + now.Sub(queue.freed)) / 4
	queue.freed = now
	if len(queue.waiting) > 0 {
		close(queue.waiting[0])
		queue.waiting = queue.waiting[1:]
		return
	}
	queue.busy--
	if queue.busy == 0 {
		delete(q.queues, host)
	}
}
