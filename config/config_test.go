package config_test

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vitrine/config"
)

func load(t *testing.T, environ ...string) (config.Config, error) {
	t.Helper()
	return config.Load(environ, filepath.Join(t.TempDir(), ".env"), 0)
}

func TestLoadDefaults(t *testing.T) {
	t.Parallel()
	c, err := load(t)
	if err != nil {
		t.Fatal(err)
	}
	got := []any{c.DatabaseURL, c.RedisURL, c.RabbitMQURLs, c.S3PublicURL, c.S3UploadURL, c.HTTPAddr, c.Workers, c.MemBudget, c.FetchTimeout, c.FetchPerHost}
	want := []any{
		"postgres://postgres@localhost:5432/vitrine?sslmode=prefer", "redis://localhost:6379",
		[]string{"amqp://guest:guest@localhost:5672/"}, "https://vitrine.s3.us-east-1.amazonaws.com", "https://vitrine.s3.us-east-1.amazonaws.com",
		"127.0.0.1:8080", 4, config.Bytes(256 << 20), 15 * time.Second, 3,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
}

func TestLoadReadsEverySource(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secret := filepath.Join(dir, "pass")
	dotenv := filepath.Join(dir, ".env")
	write(t, secret, "p@ss/word\n")
	write(t, dotenv, "DB_USER=from_file\nDB_NAME=shop\nWORKERS=7\n")
	c, err := config.Load([]string{
		"DB_USER=from_env", "DB_PASS_FILE=" + secret, "DB_HOST=::1", "DB_SSLMODE=disable", "LOG_LEVEL=",
		"FETCH_ALLOW_CIDRS=127.0.0.0/8,fd00::/8", "FETCH_ALLOW_PORTS=8081,9000", "FETCH_MAX_BYTES=5MB",
		"S3_ENDPOINT=http://localhost:9000/", "ADMIN_TOKEN=0123456789abcdef",
	}, dotenv, 0)
	if err != nil {
		t.Fatal(err)
	}
	got := []any{c.DatabaseURL, c.Workers, c.LogLevel, c.FetchAllowCIDRs[1].String(), c.FetchAllowPorts, c.FetchMaxBytes, c.S3PublicURL, c.HTTPAddr}
	want := []any{
		"postgres://from_env:p%40ss%2Fword@[::1]:5432/shop?sslmode=disable", 7, "info",
		netip.MustParsePrefix("fd00::/8").String(), []config.Port{8081, 9000}, config.Bytes(5e6),
		"http://localhost:9000/vitrine", ":8080",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestLoadReportsEveryBadVariable(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"DATABASE_URL=mysql://u:hunter2@h/d", "DB_PORT=0", "DB_SSLMODE=maybe", "DB_MAX_CONNS=1", "DATABASE_URL=postgres://u:12#hunter2@h/d", "REDIS_URL=http://:hunter2@h",
		"REDIS_PORT=x", "RABBITMQ_URL=amqp://u:hunter2@", "RABBITMQ_URLS=amqp://a,hunter2", "QUEUE_PREFIX=a b", "S3_ENDPOINT=localhost:9000",
		"S3_PUBLIC_URL=ftp://x", "S3_UPLOAD_URL=x", "S3_MANAGE_BUCKET=maybe", "S3_SWEEP=2", "AWS_ACCESS_KEY=hunter2", "HTTP_ADDR=0.0.0.0:80", "HTTP_ADDR=nonsense",
		"ADMIN_ADDR=1", "ADMIN_TOKEN=hunter2", "ALLOW_OPEN=2", "DRAIN_DELAY=1h", "EVENT_STREAMS=0", "LOG_LEVEL=loud", "WORKERS=-1",
		"WORKERS=many", "IMAGE_MAX_ATTEMPTS=0", "IMAGE_MEMORY_BUDGET=1MiB", "IMAGE_MAX_PIXELS=0", "IMAGE_QUALITY=NaN", "WEBP_SIZES=main,huge", "WEBP_SIZES=off,main", "IMAGE_MAX_SIDE=70000",
		"IMAGE_DECODE_TIMEOUT=1", "FETCH_TIMEOUT=0s", "FETCH_MAX_BYTES=-1", "FETCH_MAX_BYTES=65MiB", "FETCH_MAX_BYTES=9999999999GiB", "FETCH_ALLOW_CIDRS=10.0.0.1",
		"FETCH_ALLOW_PORTS=80,70000", "FETCH_CA_FILE=/does/not/exist", "FETCH_CA_FILE=/dev/null", "FETCH_PER_HOST=257", "DB_PASS_FILE=/does/not/exist",
		"RATE_LIMIT=-1", "RATE_LIMIT=1000001", "RATE_LIMIT_ADDRESS=many", "TRUSTED_PROXIES=10.0.0.1", "TRUSTED_PROXIES=10.0.0.0/8,::/0",
		"TRUSTED_PROXY_HEADER=X-Real-IP", "MAX_REQUESTS=0",
	} {
		t.Run(bad, func(t *testing.T) {
			t.Parallel()
			name, _, _ := strings.Cut(bad, "=")
			_, err := load(t, bad)
			if err == nil || !strings.HasPrefix(err.Error(), name+": ") {
				t.Fatalf("error %v does not begin with %s", err, name)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error shows a secret: %v", err)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("one bad variable makes several lines: %v", err)
			}
		})
	}

	t.Run("all at once", func(t *testing.T) {
		t.Parallel()
		_, err := load(t, "DB_PORT=x", "WORKERS=999", "LOG_LEVEL=loud", "DB_PASS=a", "DB_PASS_FILE=b")
		if err == nil {
			t.Fatal("no error")
		}
		for _, name := range []string{"DB_PORT", "WORKERS", "LOG_LEVEL", "DB_PASS_FILE"} {
			if !strings.Contains(err.Error(), name+": ") {
				t.Errorf("%s is not named in: %v", name, err)
			}
		}
	})

	t.Run("a broken .env shows no line of it", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), ".env")
		write(t, path, "DB_PASS=\"hunter2\nnot a line")
		_, err := config.Load(nil, path, 0)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("error: %v", err)
		}
	})
}

func TestOpenAPIListensOnLoopback(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		environ []string
		addr    string
	}{
		{nil, "127.0.0.1:8080"},
		{[]string{"HTTP_ADDR=:9"}, "127.0.0.1:9"},
		{[]string{"HTTP_ADDR=localhost:9"}, "localhost:9"},
		{[]string{"HTTP_ADDR=[::1]:9"}, "[::1]:9"},
		{[]string{"ALLOW_OPEN=true"}, ":8080"},
		{[]string{"ADMIN_TOKEN=0123456789abcdef", "HTTP_ADDR=0.0.0.0:9"}, "0.0.0.0:9"},
	} {
		c, err := load(t, tt.environ...)
		if err != nil || c.HTTPAddr != tt.addr {
			t.Errorf("%v: address %q, error %v; want %q", tt.environ, c.HTTPAddr, err, tt.addr)
		}
	}
}

func TestPrintMasksSecrets(t *testing.T) {
	t.Parallel()
	c, err := load(t, "DB_PASS=hunter2", "ADMIN_TOKEN=hunter2hunter2hunter2", "AWS_ACCESS_KEY=hunter2", "AWS_SECRET_KEY=hunter2",
		"REDIS_URL=redis://:hunter2@cache:1/0?password=hunter2", "RABBITMQ_URLS=amqp://u:hunter2@a,amqp://u:hunter2@b")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := c.Print(&out); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "hunter2") {
		t.Errorf("secret shown:\n%s", out.String())
	}
	for _, line := range []string{
		"DATABASE_URL=postgres://***@localhost:5432/vitrine\n", "RABBITMQ_URLS=amqp://***@a,amqp://***@b\n",
		"ADMIN_TOKEN=***\n", "REDIS_URL=redis://***@cache:1/0\n", "IMAGE_MEMORY_BUDGET=256MiB\n", "FETCH_ALLOW_PORTS=\n",
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("%q is not in:\n%s", line, out.String())
		}
	}
}

func TestInstallationIsItsDatabase(t *testing.T) {
	t.Parallel()
	names := map[string]string{}
	for _, environ := range []string{
		"", "DATABASE_URL=postgres://a:hunter2@h/shop", "DATABASE_URL=postgres://b@h/shop?sslmode=disable", "DB_NAME=other", "DATABASE_URL=postgres://a@h/shop?search_path=x",
	} {
		c, err := load(t, environ)
		if err != nil {
			t.Fatal(err)
		}
		names[environ] = c.Installation()
	}
	if names["DATABASE_URL=postgres://a:hunter2@h/shop"] != names["DATABASE_URL=postgres://b@h/shop?sslmode=disable"] {
		t.Errorf("who logs in to a database does not matter: %v", names)
	}
	different := map[string]bool{}
	for environ, name := range names {
		if different[name] = true; len(name) != 12 {
			t.Errorf("%q: %q", environ, name)
		}
	}
	if len(different) != 4 {
		t.Errorf("two databases have one name: %v", names)
	}
}

// The table of settings is written by the code, so that it cannot become outdated.
func TestConfigurationPageEndsWithTheTable(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	var table bytes.Buffer
	if err := config.PrintTable(&table); err != nil {
		t.Fatal(err)
	}
	if !bytes.HasSuffix(page, append([]byte("\n\n"), table.Bytes()...)) {
		t.Errorf("docs/configuration.md does not end with the output of `vitrine variables`:\n%s", table.String())
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
