package e2e_test

import (
	"net/url"
	"os/exec"
	"testing"
)

// vitrine runs the program with arguments until it exits, and returns what it printed.
func vitrine(t *testing.T, settings map[string]string, args ...string) (output string, failed bool) {
	t.Helper()
	file, err := program()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(file, args...)
	cmd.Env = environ(settings)
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	return string(out), err != nil
}

func TestCommands(t *testing.T) {
	t.Parallel()
	t.Run("config masks secrets", func(t *testing.T) {
		t.Parallel()
		out, failed := vitrine(t, map[string]string{"DB_PASS": "hunter2"}, "config")
		if failed {
			t.Error("it failed")
		}
		contains(t, out, "DATABASE_URL=postgres://***@localhost:5432/vitrine", "DB_PASS=***", "WORKERS=4")
	})
	t.Run("a bad configuration names every variable", func(t *testing.T) {
		t.Parallel()
		out, failed := vitrine(t, map[string]string{"WORKERS": "many", "DB_PORT": "x", "HTTP_ADDR": "0.0.0.0:1"})
		if !failed {
			t.Error("it did not fail")
		}
		contains(t, out, "WORKERS: ", "DB_PORT: ", "HTTP_ADDR: ")
	})
	t.Run("an unknown command", func(t *testing.T) {
		t.Parallel()
		out, failed := vitrine(t, nil, "fly")
		if !failed {
			t.Error("it did not fail")
		}
		contains(t, out, `unknown command "fly"`, "usage: vitrine")
	})
	t.Run("a taken address", func(t *testing.T) {
		t.Parallel()
		v := start(t, map[string]string{"HTTP_ADDR": "127.0.0.1:0", "ADMIN_ADDR": "off", "DATABASE_URL": "postgres://127.0.0.1:1/none"})
		u, err := url.Parse(v.url)
		if err != nil {
			t.Fatal(err)
		}
		out, failed := vitrine(t, map[string]string{"HTTP_ADDR": u.Host})
		if !failed {
			t.Error("it did not fail")
		}
		contains(t, out, "HTTP_ADDR: ", "address already in use")
		if _, failed := vitrine(t, map[string]string{"HTTP_ADDR": u.Host}, "healthcheck"); failed {
			t.Error("healthcheck failed while the service runs")
		}
		v.kill()
		if _, failed := vitrine(t, map[string]string{"HTTP_ADDR": u.Host}, "healthcheck"); !failed {
			t.Error("healthcheck did not fail without the service")
		}
	})
}
