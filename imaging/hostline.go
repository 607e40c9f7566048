package imaging

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

const (
	// hostPatience is how long a picture waits for its turn with a busy host before
	// its worker turns to another, for each time that it was put off and once more,
	// up to maxHostPatience: the older it gets, the likelier it is to be next.
	hostPatience    = 100 * time.Millisecond
	maxHostPatience = 2 * time.Second
	// A picture is put off until it is expected to be its turn, but not for less or
	// longer than this.
	minHostWait = time.Second
	maxHostWait = time.Minute
)

// hostLines lets so many pictures of one host be downloaded at once. The others
// wait a moment in their order; then they are put off, each until about when the
// host should be done with those before it, so that many of them do not come back
// again and again. Safe for concurrent use.
type hostLines struct {
	limit int

	mu    sync.Mutex
	lines map[string]*hostLine // of the hosts that are asked just now
}

type hostLine struct {
	busy    int
	waiting []chan struct{} // each is closed when it is that picture's turn
	// pace is about how long it takes until a download ends, and freed when the
	// last one did. next is when the picture that was put off last is to come back.
	pace        time.Duration
	freed, next time.Time
}

func newHostLines(limit int) *hostLines {
	return &hostLines{limit: limit, lines: map[string]*hostLine{}}
}

// enter gives the function that ends a picture's turn with its host, or nil and how
// long the picture is put off. The error is ctx's.
func (l *hostLines) enter(ctx context.Context, host string, deferrals int) (leave func(), wait time.Duration, err error) {
	leave = func() { l.leave(host) }
	l.mu.Lock()
	line := l.lines[host]
	if line == nil {
		line = &hostLine{freed: time.Now()}
		l.lines[host] = line
	}
	if line.busy < l.limit {
		line.busy++
		l.mu.Unlock()
		return leave, 0, nil
	}
	turn := make(chan struct{})
	line.waiting = append(line.waiting, turn)
	l.mu.Unlock()

	patience := time.NewTimer(min(hostPatience*time.Duration(1+deferrals), maxHostPatience))
	defer patience.Stop()
	select {
	case <-turn:
		return leave, 0, nil
	case <-patience.C:
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !line.giveUp(turn) {
		return leave, 0, nil // it was called at the last moment
	}
	return nil, line.putOff(time.Now()), ctx.Err()
}

// giveUp takes a picture out of the line; false: it is no longer in it.
func (l *hostLine) giveUp(turn chan struct{}) bool {
	i := slices.Index(l.waiting, turn)
	if i < 0 {
		return false
	}
	l.waiting = slices.Delete(l.waiting, i, i+1)
	return true
}

// putOff says for how long, less up to a quarter by chance. While nothing ends, the
// pace is at most what has passed since something did.
func (l *hostLine) putOff(now time.Time) time.Duration {
	pace := max(l.pace, now.Sub(l.freed))
	if l.next.Before(now) {
		l.next = now
	}
	l.next = l.next.Add(pace)
	if last := now.Add(maxHostWait); l.next.After(last) {
		l.next = last
	}
	wait := max(l.next.Sub(now), minHostWait)
	return wait - rand.N(wait/4)
}

// leave ends a turn and calls the next picture.
func (l *hostLines) leave(host string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	line := l.lines[host]
	now := time.Now()
	line.pace = (3*line.pace + now.Sub(line.freed)) / 4
	line.freed = now
	if len(line.waiting) > 0 {
		close(line.waiting[0])
		line.waiting = line.waiting[1:]
		return
	}
	line.busy--
	if line.busy == 0 {
		delete(l.lines, host)
	}
}
