package product_test

import (
	"encoding/json"
	"testing"

	"vitrine/product"
)

// explainClaim claims jobs and undoes it.
func (c *catalogue) explainClaim(after int64, limits product.JobLimits) planNode {
	c.t.Helper()
	raw, err := product.ExplainJobClaim(c.t.Context(), c.outbox, after, limits)
	if err != nil {
		c.t.Fatal(err)
	}
	var found []struct {
		Plan planNode `json:"Plan"`
	}
	if err := json.Unmarshal(raw, &found); err != nil {
		c.t.Fatal(err)
	}
	return found[0].Plan
}

// TestClaimOfJobsReadsLittle has a large backlog of one owner, small ones of many
// and jobs whose time is to come: a claim reads a few rows for each job it takes,
// whatever the planner knows of the tables.
func TestClaimOfJobsReadsLittle(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	c.exec(`INSERT INTO users (name, email) SELECT 'Bob', n || '@example.org' FROM generate_series(1, 400) AS n`)
	c.exec(`INSERT INTO products (user_id, product_name, product_price)
		SELECT id, 'Lamp', 1 FROM users, generate_series(1, 20) WHERE name = 'Bob'`)
	c.exec(`INSERT INTO images (id, product_id, position, source) SELECT gen_random_uuid(), id, 0, $1 FROM products`, source)
	c.exec(`INSERT INTO outbox (kind, subject, payload, owner, in_queue, available_at)
		SELECT 'image_job', images.id, jsonb_build_object('image_id', images.id, 'generation', 1), user_id,
			images.id < '80000000-0000-0000-0000-000000000000',
			CASE WHEN images.id < '80000000-0000-0000-0000-000000000000' THEN now() ELSE now() + interval '1 hour' END
		FROM images JOIN products ON products.id = product_id`)
	c.backlog(c.user, 8000)
	c.exec(`UPDATE outbox SET in_queue = true, owner = $1 WHERE owner IS NULL`, c.user)
	// Forty owners have all that they may have in flight.
	c.exec(`UPDATE images SET sent = true, queued_at = now() FROM products WHERE products.id = product_id
		AND images.id >= '80000000-0000-0000-0000-000000000000' AND user_id IN (SELECT id FROM users WHERE name = 'Bob' ORDER BY id LIMIT 40)`)
	c.exec(`DELETE FROM outbox USING images WHERE images.id = subject AND images.sent`)
	inFlight := c.count("images WHERE sent")

	for _, known := range []bool{false, true} {
		if known {
			c.exec(`ANALYZE outbox; ANALYZE images; ANALYZE products`)
		}
		for waiting, jobs := range map[int]int{100: 0, inFlight + 4: 4, 5000: 100} {
			plan := c.explainClaim(0, product.JobLimits{PerOwner: 3, Waiting: waiting})
			if plan.Rows != float64(jobs) {
				t.Errorf("statistics %t: %.0f jobs, want %d", known, plan.Rows, jobs)
			}
			if rows, most := plan.rowsRead(), 2*inFlight+400+10*jobs; rows > most {
				t.Errorf("statistics %t: %d rows were read for %d jobs, want %d at most", known, rows, jobs, most)
			}
			if faults := plan.faults(500); len(faults) > 0 {
				t.Errorf("statistics %t: %v", known, faults)
			}
		}
	}
}
