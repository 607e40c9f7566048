package worker

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/sirupsen/logrus"

	"vitrine/imaging"
)

// guarded turns a panic of work into an error, so that a defect does not end the process with
// all its other jobs. stage is the one that work has reached.
func guarded[T any](
	ctx context.Context, log *logrus.Entry, stage *imaging.Stage, work func(context.Context) (*T, error),
) (result *T, err error) {
	defer func() {
		if v := recover(); v != nil {
			log.WithFields(logrus.Fields{"panic": fmt.Sprint(v), "stack": string(debug.Stack())}).Error("Image job panicked")
			result, err = nil, internal(*stage, nil)
		}
	}()
	return work(ctx)
}

// internal returns the failure for a defect of this service. A further attempt may succeed.
func internal(stage imaging.Stage, cause error) *imaging.Error {
	return &imaging.Error{Code: imaging.CodeInternal, Stage: stage, Detail: "internal error", Transient: true, Err: cause}
}
