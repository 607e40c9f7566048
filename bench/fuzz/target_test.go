package main

import "testing"

func TestProgressReadsTheLastLine(t *testing.T) {
	t.Parallel()
	out := "fuzz: elapsed: 0s, gathering baseline coverage: 0/98 completed\n" +
		"fuzz: elapsed: 3s, execs: 102 (34/sec), new interesting: 2 (total: 100)\n" +
		"fuzz: elapsed: 6s, execs: 412093 (3467/sec), new interesting: 245 (total: 376)\nPASS\n"
	if inputs, fresh, kept := progress([]byte(out)); inputs != 412093 || fresh != 245 || kept != 376 {
		t.Errorf("%d inputs, %d new, %d kept", inputs, fresh, kept)
	}
	if inputs, fresh, kept := progress([]byte("FAIL\n")); inputs != 0 || fresh != 0 || kept != 0 {
		t.Errorf("%d inputs, %d new, %d kept of nothing", inputs, fresh, kept)
	}
}
