package history

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

// Log collects operations. Its methods are safe for concurrent use.
type Log struct {
	began time.Time
	mu    sync.Mutex
	ops   []Op
}

// NewLog returns an empty log whose clock begins now.
func NewLog() *Log { return &Log{began: time.Now()} }

// Now returns the time since the log was created.
func (l *Log) Now() time.Duration { return time.Since(l.began) }

// Add appends an operation that ends now, and returns its number.
func (l *Log) Add(op Op) int {
	op.End = l.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	op.ID = len(l.ops) + 1
	l.ops = append(l.ops, op)
	return op.ID
}

// Mark appends an event of the run itself and returns its time.
func (l *Log) Mark(kind Kind, fault string) time.Duration {
	now := l.Now()
	l.Add(Op{Kind: kind, Start: now, Fault: fault})
	return now
}

// Ops returns a copy of the operations so far.
func (l *Log) Ops() []Op {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.ops)
}

// Write writes the log to a file, one JSON object per line.
func (l *Log) Write(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	w := bufio.NewWriterSize(file, 1<<20)
	enc := json.NewEncoder(w)
	for _, op := range l.Ops() {
		if err := enc.Encode(op); err != nil {
			return fmt.Errorf("operation %d: %w", op.ID, err)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return file.Close()
}
