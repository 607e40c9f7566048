package query

import "vitrine/product/deadletter"

// The parameters of GET and DELETE /admin/dead-letters.
var (
	filterNames             = []string{"code", "stage", "host", "fingerprint", "product_id", "replayed", "created_after", "created_before"}
	DeadLetterNames         = append([]string{"limit", "cursor", "group"}, filterNames...)
	DeadLetterDeletionNames = append([]string{"all"}, filterNames...)
)

// DeadLetters returns the filter of dead letters in the parameters.
func (q *Parameters) DeadLetters() deadletter.Filter {
	return deadletter.Filter{
		Code: q.Text("code"), Stage: q.Text("stage"), Host: q.Text("host"), Fingerprint: q.Text("fingerprint"),
		ProductID: q.Number("product_id"), Replayed: q.Flag("replayed"),
		CreatedAfter: q.Time("created_after"), CreatedBefore: q.Time("created_before"),
	}
}
