package fault_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitrine/bench/chaos/fault"
	"vitrine/bench/cluster"
)

func names(faults []fault.Fault) map[string]int {
	count := map[string]int{}
	for _, f := range faults {
		count[f.Name]++
	}
	return count
}

func TestMatrixHasEveryFaultOfEveryServer(t *testing.T) {
	t.Parallel()
	all := names(fault.Matrix(true))
	for name, n := range all {
		if n != 1 {
			t.Errorf("%q occurs %d times", name, n)
		}
	}
	for _, server := range cluster.AllServers {
		for _, what := range []string{
			"kill -9", "frozen", "latency (one)", "latency (all)", "resets (one)", "resets (all)", "black hole (one)", "black hole (all)",
		} {
			if name := string(server) + ": " + what; all[name] == 0 {
				t.Errorf("no %q", name)
			}
		}
	}
	if got := len(all) - len(names(fault.Matrix(false))); got != 1 || all["postgres: disk full"] != 1 {
		t.Errorf("%d faults need a disk, want only the full disk", got)
	}
}

func TestSelectIsEvenAndRepeatable(t *testing.T) {
	t.Parallel()
	all := fault.Matrix(true)
	chosen := fault.Select(all, 2*len(all)+1, 7)
	three := 0
	for name, n := range names(chosen) {
		switch n {
		case 2:
		case 3:
			three++
		default:
			t.Errorf("%q was chosen %d times of 2 to 3", name, n)
		}
	}
	if len(chosen) != 2*len(all)+1 || three != 1 {
		t.Errorf("%d chosen, %d of them a third time", len(chosen), three)
	}
	order := func(faults []fault.Fault) string {
		var list []string
		for _, f := range faults {
			list = append(list, f.Name)
		}
		return strings.Join(list, "\n")
	}
	if diff := cmp.Diff(order(chosen), order(fault.Select(all, len(chosen), 7))); diff != "" {
		t.Errorf("the same seed selects another order:\n%s", diff)
	}
	if order(chosen) == order(fault.Select(all, len(chosen), 8)) {
		t.Error("another seed selects the same order")
	}
}

func TestSmokeIsShort(t *testing.T) {
	t.Parallel()
	if n := len(fault.Smoke(fault.Matrix(true))); n < 8 || n > 16 {
		t.Errorf("%d faults in the smoke test", n)
	}
}
