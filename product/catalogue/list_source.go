package catalogue

import (
	"fmt"
	"strings"
)

// criteria is a set of a filter's parts, the owner excepted.
type criteria uint8

const (
	byPrice criteria = 1 << iota
	byName
	byQuery
	byStatus
	byCreated
	byExternalID
)

// listSource is a set of products that one index gives without looking at others.
type listSource struct {
	table     string   // products or product_states
	where     []string // what the index is asked
	order     []string // what the index is sorted by, where it is read in its order
	direction string   // "" or DESC
	answers   criteria // what holds for the whole set
}

// rows is the SELECT of columns over the set, in its order.
func (s listSource) rows(columns string) string {
	q := "SELECT " + columns + " FROM " + s.table
	if len(s.where) > 0 {
		q += " WHERE " + strings.Join(s.where, " AND ")
	}
	if len(s.order) > 0 {
		q += " ORDER BY " + directed(s.order, s.direction)
	}
	return q
}

func directed(columns []string, direction string) string {
	return strings.Join(columns, direction+", ") + direction
}

// sortIndex is where products are to be had in the order of a field: there is an
// index over all of them, and one that begins with their owner.
type sortIndex struct {
	table, key, ID string
	kind           string // type of the key
	bounded        criteria
	least, most    string // the conditions by which that bounds the key
}

var sortIndexes = map[string]sortIndex{
	"created_at":    {"products", "created_at", "id", "timestamptz", byCreated, "> :created_after", "< :created_before"},
	"updated_at":    {"product_states", "updated_at", "product_id", "timestamptz", 0, "", ""},
	"product_price": {"products", "product_price", "id", "numeric", byPrice, ">= :min_price", "<= :max_price"},
	"product_name":  {"products", `lower(product_name) COLLATE "C"`, "id", "text", 0, "", ""},
}

// read gives the products of the index, from the position that args have on, or
// from its beginning.
//
// The owner stands in comparisons of rows and never as user_id = owner: then the
// index over all products would have the right order too, and the planner might read
// it for the few of them that are the owner's.
func (x sortIndex) read(args map[string]any, descending bool, from string) listSource {
	s := listSource{table: x.table, order: []string{x.key, x.ID}, answers: x.bounded}
	if descending {
		s.direction = " DESC"
	}
	columns, values := "", ""
	_, owned := args["owner"]
	if owned {
		columns, values = "user_id, ", "cast(:owner AS bigint), "
		s.order = append([]string{"user_id"}, s.order...)
	}
	side := func(operator, bound string) {
		sign, argument, _ := strings.Cut(bound, " :")
		_, set := args[argument]
		switch {
		case operator == from: // which lies within the bounds
			s.where = append(s.where, fmt.Sprintf("(%s%s, %s) %s (%scast(:after_key AS %s), cast(:after_id AS bigint))",
				columns, x.key, x.ID, operator, values, x.kind))
		case set:
			s.where = append(s.where, fmt.Sprintf("(%s%s) %s (%scast(:%s AS %s))", columns, x.key, sign, values, argument, x.kind))
		case owned:
			s.where = append(s.where, "user_id "+operator+"= cast(:owner AS bigint)")
		}
	}
	side(">", x.least)
	side("<", x.most)
	return s
}
