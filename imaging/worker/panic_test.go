package worker_test

import (
	"context"
	"strings"
	"testing"

	"vitrine/imaging"
	"vitrine/imaging/worker"
)

// broken is a job store with a defect.
type broken struct{ *jobs }

func (broken) Reserve(context.Context, imaging.Claim, string) (*imaging.Result, error) {
	panic("defect in Reserve")
}

func TestHandleSurvivesAPanic(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, sources, options{store: func(j *jobs) worker.JobStore { return broken{j} }})
	job := e.jobs.add(t, e.web.URL+"/logo", 1)
	if got := e.handle(t.Context(), t, job); got != worker.Ack {
		t.Errorf("verdict %d", got)
	}
	if row := e.jobs.row(t, job); row.Status != "pending" || row.Code != string(imaging.CodeInternal) || row.Ours {
		t.Errorf("%+v", row)
	}
	if n := strings.Count(e.log.String(), "defect in Reserve"); n != 1 {
		t.Errorf("the panic is logged %d times:\n%s", n, e.log)
	}
}

func TestReprocessSurvivesAPanic(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t, sources, options{store: func(j *jobs) worker.JobStore { return broken{j} }})
	job := e.jobs.add(t, e.web.URL+"/photo", 1)
	job.Reprocess = true
	if got := e.handle(t.Context(), t, job); got != worker.Ack {
		t.Errorf("verdict %d", got)
	}
	if row := e.jobs.row(t, job); row.Status != "pending" || row.Code != string(imaging.CodeInternal) || row.Stage != imaging.StageStore || row.Ours {
		t.Errorf("%+v", row)
	}
	if !strings.Contains(e.log.String(), "defect in Reserve") || !strings.Contains(e.log.String(), "panic_test.go") {
		t.Errorf("the log does not show the panic:\n%s", e.log)
	}
}
