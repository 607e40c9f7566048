package testenv

import (
	"fmt"
	"strings"
)

// PlanNode is a node of EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON).
type PlanNode struct {
	Type     string     `json:"Node Type"`
	Relation string     `json:"Relation Name"`
	Rows     float64    `json:"Actual Rows"` // mean of the loops
	Loops    float64    `json:"Actual Loops"`
	Filtered float64    `json:"Rows Removed by Filter"`
	Recheck  float64    `json:"Rows Removed by Index Recheck"`
	Hit      int        `json:"Shared Hit Blocks"`
	Read     int        `json:"Shared Read Blocks"`
	Plans    []PlanNode `json:"Plans"`
}

// RowsRead returns the number of rows that the plan reads from tables, including those
// that it discards.
func (n PlanNode) RowsRead() int {
	rows := 0
	if strings.HasSuffix(n.Type, "Scan") && n.Relation != "" {
		rows = int((n.Rows + n.Filtered + n.Recheck) * n.Loops)
	}
	for _, below := range n.Plans {
		rows += below.RowsRead()
	}
	return rows
}

// Faults returns the sequential scans in the plan, and the sorts of more rows than sorted.
func (n PlanNode) Faults(sorted float64) []string {
	var faults []string
	switch {
	case n.Type == "Seq Scan":
		faults = append(faults, "Seq Scan on "+n.Relation)
	case strings.Contains(n.Type, "Sort") && n.Plans[0].Rows > sorted:
		faults = append(faults, fmt.Sprintf("%s of %.0f rows", n.Type, n.Plans[0].Rows))
	}
	for _, below := range n.Plans {
		faults = append(faults, below.Faults(sorted)...)
	}
	return faults
}
