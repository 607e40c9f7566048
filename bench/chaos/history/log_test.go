package history_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitrine/bench/chaos/history"
)

func TestLogIsWrittenAsItIs(t *testing.T) {
	t.Parallel()
	log := history.NewLog()
	var clients sync.WaitGroup
	for i := range 50 {
		clients.Go(func() {
			log.Add(history.Op{
				Kind: history.Update, Start: log.Now(), Outcome: history.Acknowledged, Status: 200, Product: "p", Value: int64(i),
				Pictures: []history.Picture{{URL: "u", Ready: true}}, State: &history.State{Version: 2, Value: int64(i)},
			})
		})
	}
	clients.Wait()
	log.Mark(history.Heal, "f")
	ops := log.Ops()
	for i, op := range ops {
		if op.ID != i+1 || op.End < op.Start {
			t.Fatalf("operation %d: number %d, from %s to %s", i, op.ID, op.Start, op.End)
		}
	}
	path := filepath.Join(t.TempDir(), "history.jsonl")
	if err := log.Write(path); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var read []history.Op
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var op history.Op
		if err := json.Unmarshal(lines.Bytes(), &op); err != nil {
			t.Fatal(err)
		}
		read = append(read, op)
	}
	if diff := cmp.Diff(ops, read); diff != "" {
		t.Errorf("(-added +read):\n%s", diff)
	}
}
