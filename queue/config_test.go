package queue_test

import (
	"strings"
	"testing"

	logtest "github.com/sirupsen/logrus/hooks/test"

	"vitrine/queue"
)

func TestConfigValidate(t *testing.T) {
	t.Parallel()
	const good = "amqp://user:secret@broker:5672/vhost"
	for name, tc := range map[string]struct {
		cfg  queue.Config
		want string // "" = valid
	}{
		"good":              {queue.Config{URLs: []string{good}, Workers: 4}, ""},
		"two URLs and TLS":  {queue.Config{URLs: []string{good, "amqps://user:secret@b/?heartbeat=5"}, Prefix: "shop."}, ""},
		"encoded password":  {queue.Config{URLs: []string{"amqp://user:p%40%2Fsecret@broker"}}, ""},
		"no URL":            {queue.Config{}, "no broker URL is set"},
		"scheme":            {queue.Config{URLs: []string{"http://user:secret@broker/"}}, "broker URL 1 (broker) is not valid: AMQP scheme"},
		"second URL":        {queue.Config{URLs: []string{good, "broker"}}, "broker URL 2 (no scheme)"},
		"slash in password": {queue.Config{URLs: []string{"amqp://user:sec/secret@broker:5672"}}, "broker URL 1 (broker:5672) cannot be parsed"},
		"hash in password":  {queue.Config{URLs: []string{"amqp://user:secret#x@broker"}}, "broker URL 1 (broker) cannot be parsed"},
		"space":             {queue.Config{URLs: []string{"amqp://user:secret x@broker"}}, "broker URL 1 (broker) is not valid"},
		"no at sign":        {queue.Config{URLs: []string{"amqp://user:secret"}}, "broker URL 1 (no host) cannot be parsed"},
		"bad escape":        {queue.Config{URLs: []string{"amqp://user:secret%zz@broker/"}}, "broker URL 1 (broker) cannot be parsed"},
		"bad heartbeat":     {queue.Config{URLs: []string{good + "?heartbeat=often"}}, "heartbeat"},
		"long prefix":       {queue.Config{URLs: []string{good}, Prefix: strings.Repeat("x", 244)}, "prefix is too long"},
		"reserved prefix":   {queue.Config{URLs: []string{good}, Prefix: "amq.x"}, "prefix must not begin with amq."},
		"broken prefix":     {queue.Config{URLs: []string{good}, Prefix: "\xff"}, "prefix is not valid UTF-8"},
		"negative workers":  {queue.Config{URLs: []string{good}, Workers: -1}, "workers is -1"},
		"too many workers":  {queue.Config{URLs: []string{good}, Workers: 70000}, "workers is 70000"},
		"everything at once": {queue.Config{URLs: []string{"x"}, Prefix: "amq.", Workers: -1},
			"broker URL 1 (no scheme) is not valid: AMQP scheme must be either 'amqp://' or 'amqps://'\nqueue prefix must not begin with amq.,"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := tc.cfg.Validate()
			switch {
			case err == nil && tc.want != "":
				t.Fatalf("no error, want one with %q", tc.want)
			case err != nil && tc.want == "":
				t.Fatal(err)
			case err != nil && !strings.Contains(err.Error(), tc.want):
				t.Fatalf("error %q, want %q in it", err, tc.want)
			case err != nil && strings.Contains(err.Error(), "sec"):
				t.Fatalf("error %q contains the password", err)
			}
		})
	}
}

func TestRunRefusesBadConfig(t *testing.T) {
	t.Parallel()
	log, _ := logtest.NewNullLogger()
	b := queue.New(queue.Config{}, log)
	if err := b.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "no broker URL") {
		t.Fatalf("Run returned %v", err)
	}
}
