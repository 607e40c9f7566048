package check_test

import (
	"testing"
	"time"

	"vitrine/bench/chaos/check"
	"vitrine/bench/chaos/history"
)

func TestAnswers(t *testing.T) {
	t.Parallel()
	answer := func(status int, outcome history.Outcome) history.Op {
		op := read(lamp, 1, 10)
		op.State, op.Status, op.Outcome = nil, status, outcome
		return op
	}
	soon := answer(503, history.Unknown)
	soon.RetryAfter = true
	proxy := answer(502, history.Unknown)
	proxy.Replica = ""
	garbled := answer(200, history.Acknowledged)
	garbled.Garbled, garbled.Error = true, "not JSON"
	conflict := answer(409, history.Refused)
	start := func() *story { return new(story).did(created(lamp, 10)) }
	cases(t, map[string]storyCase{
		"503 with Retry-After":     {start().did(soon), nil},
		"503 without Retry-After":  {start().did(answer(503, history.Unknown)), []check.Rule{check.ServerError}},
		"500":                      {start().did(answer(500, history.Unknown)), []check.Rule{check.ServerError}},
		"502 of the load balancer": {start().did(proxy), nil},
		"400":                      {start().did(answer(400, history.Refused)), []check.Rule{check.BadAnswer}},
		"409 to a read":            {start().did(conflict), []check.Rule{check.BadAnswer}},
		"garbled":                  {start().did(garbled), []check.Rule{check.BadAnswer}},
		"no response":              {start().did(unanswered(read(lamp, 1, 10))), nil},
		"slow":                     {start().during(10*time.Second, 29*time.Second, read(lamp, 1, 10)), nil},
		"too slow":                 {start().during(10*time.Second, 31*time.Second, unanswered(read(lamp, 1, 10))), []check.Rule{check.Hang}},
	})
}

func TestFaults(t *testing.T) {
	t.Parallel()
	orderly := "stop," + history.OrderlySuffix
	event := func(kind history.Kind, fault string) history.Op { return history.Op{Kind: kind, Fault: fault} }
	stop := func(took time.Duration, problem string) *story {
		return new(story).did(created(lamp, 10)).did(event(history.Inject, orderly)).
			during(10*time.Second, 10*time.Second+took, history.Op{Kind: history.Stop, Replica: "r", Error: problem})
	}
	failed := unanswered(read(lamp, 1, 10))
	unhealthy := event(history.Healthy, "f")
	unhealthy.Error = "redis is down"
	cases(t, map[string]storyCase{
		"a good stop":                      {stop(5*time.Second, ""), nil},
		"a stop with an error":             {stop(5*time.Second, "exit status 2"), []check.Rule{check.BadStop}},
		"a slow stop":                      {stop(21*time.Second, ""), []check.Rule{check.BadStop}},
		"a request fails during the stop":  {stop(5*time.Second, "").during(11*time.Second, 12*time.Second, failed), []check.Rule{check.BadStop}},
		"a request is cut off by the stop": {stop(5*time.Second, "").during(9*time.Second, 12*time.Second, failed), []check.Rule{check.BadStop}},
		"a request fails afterwards":       {stop(5*time.Second, "").during(16*time.Second, 17*time.Second, failed), nil},
		"a request of an earlier fault ends during the stop": {new(story).did(event(history.Heal, "f")).did(event(history.Healthy, "f")).
			did(event(history.Inject, orderly)).
			during(10*time.Second, 15*time.Second, history.Op{Kind: history.Stop, Replica: "r"}).
			during(time.Second, 12*time.Second, failed), nil},
		"healthy again":       {new(story).did(event(history.Inject, "f")).did(event(history.Heal, "f")).did(event(history.Healthy, "f")), nil},
		"never healthy again": {new(story).did(event(history.Inject, "f")).did(event(history.Heal, "f")).did(unhealthy), []check.Rule{check.NotHealthy}},
		"healthy again, but late": {new(story).did(event(history.Inject, "f")).did(event(history.Heal, "f")).later(time.Minute).
			did(event(history.Healthy, "f")), []check.Rule{check.NotHealthy}},
	})
}
