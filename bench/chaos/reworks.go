package main

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"time"
)

// reworksLimit is for the second passes over ready pictures, those included whose
// process was killed: somebody else begins them when their claim has ended.
const reworksLimit = 4 * time.Minute

// awaitReworks waits until no ready picture is about to get other variants: a sweep
// would otherwise find objects that nothing named a moment before. What takes longer
// shows there.
func (c *chaos) awaitReworks(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, reworksLimit)
	defer cancel()
	for c.reworks(bounded) {
		select {
		case <-bounded.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
	return ctx.Err()
}

// reworks says whether there are any, or nobody can tell.
func (c *chaos) reworks(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.cluster.Replicas[0].AdminURL+"/metrics", nil)
	if err != nil {
		return true
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return true
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if lines.Text() == `vitrine_outbox_rows{kind="image_rework"} 0` {
			return false
		}
		if strings.HasPrefix(lines.Text(), `vitrine_outbox_rows{kind="image_rework"}`) {
			return true
		}
	}
	return true
}
