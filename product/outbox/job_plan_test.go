package outbox_test

import (
	"encoding/json"
	"testing"

	"vitrine/bench/testenv"
	"vitrine/product/outbox"
)

// explainClaim claims jobs and undoes it.
func explainClaim(c *testenv.Environment, after int64, limits outbox.Limits) testenv.PlanNode {
	c.T.Helper()
	raw, err := outbox.ExplainJobClaim(c.T.Context(), c.Outbox, after, limits)
	if err != nil {
		c.T.Fatal(err)
	}
	var found []struct {
		Plan testenv.PlanNode `json:"Plan"`
	}
	if err := json.Unmarshal(raw, &found); err != nil {
		c.T.Fatal(err)
	}
	return found[0].Plan
}

// TestClaimOfJobsReadsLittle has a large backlog of one owner, small ones of many
// and jobs whose time is to come: a claim reads a few rows for each job it takes,
// whatever the planner knows of the tables.
func TestClaimOfJobsReadsLittle(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	c.Exec(`INSERT INTO users (name, email) SELECT 'Bob', n || '@example.org' FROM generate_series(1, 400) AS n`)
	c.Exec(`INSERT INTO products (user_id, product_name, product_price)
		SELECT id, 'Lamp', 1 FROM users, generate_series(1, 20) WHERE name = 'Bob'`)
	c.Exec(`INSERT INTO images (id, product_id, position, source) SELECT gen_random_uuid(), id, 0, $1 FROM products`, testenv.Source)
	c.Exec(`INSERT INTO outbox (kind, subject, payload, owner, in_queue, available_at)
		SELECT 'image_job', images.id, jsonb_build_object('image_id', images.id, 'generation', 1), user_id,
			images.id < '80000000-0000-0000-0000-000000000000',
			CASE WHEN images.id < '80000000-0000-0000-0000-000000000000' THEN now() ELSE now() + interval '1 hour' END
		FROM images JOIN products ON products.id = product_id`)
	c.AddBacklog(c.User, 8000)
	c.Exec(`UPDATE outbox SET in_queue = true, owner = $1 WHERE owner IS NULL`, c.User)
	// Forty owners have all that they may have in flight.
	c.Exec(`UPDATE images SET sent = true, queued_at = now() FROM products WHERE products.id = product_id
		AND images.id >= '80000000-0000-0000-0000-000000000000' AND user_id IN (SELECT id FROM users WHERE name = 'Bob' ORDER BY id LIMIT 40)`)
	c.Exec(`DELETE FROM outbox USING images WHERE images.id = subject AND images.sent`)
	inFlight := c.Count("images WHERE sent")

	for _, known := range []bool{false, true} {
		if known {
			c.Exec(`ANALYZE outbox; ANALYZE images; ANALYZE products`)
		}
		for waiting, jobs := range map[int]int{100: 0, inFlight + 4: 4, 5000: 100} {
			plan := explainClaim(c, 0, outbox.Limits{PerOwner: 3, Waiting: waiting})
			if plan.Rows != float64(jobs) {
				t.Errorf("statistics %t: %.0f jobs, want %d", known, plan.Rows, jobs)
			}
			if rows, most := plan.RowsRead(), 2*inFlight+400+10*jobs; rows > most {
				t.Errorf("statistics %t: %d rows were read for %d jobs, want %d at most", known, rows, jobs, most)
			}
			if faults := plan.Faults(500); len(faults) > 0 {
				t.Errorf("statistics %t: %v", known, faults)
			}
		}
	}
}
