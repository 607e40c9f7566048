package catalogue

import (
	"fmt"
	"strings"
)

// criteria is a set of criteria of a filter, without the owner.
type criteria uint8

const (
	byPrice criteria = 1 << iota
	byName
	byQuery
	byStatus
	byCreated
	byExternalID
)

// listSource is a set of products that one index selects.
type listSource struct {
	table     string   // products or product_states
	where     []string // conditions that the index answers
	order     []string // columns of the index, if it is read in order
	direction string   // "" or DESC
	answers   criteria // criteria that every product of the set meets
}

// rows returns the SELECT of columns over the set, in its order.
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

// directed returns an ORDER BY list in one direction.
func directed(columns []string, direction string) string {
	return strings.Join(columns, direction+", ") + direction
}

// sortIndex describes how products are read in the order of a field: one index covers all
// products, and another begins with the owner.
type sortIndex struct {
	table, key, id string
	kind           string // type of the key
	bounded        criteria
	least, most    string // conditions of bounded on the key
}

var sortIndexes = map[string]sortIndex{
	"created_at":    {"products", "created_at", "id", "timestamptz", byCreated, "> :created_after", "< :created_before"},
	"updated_at":    {"product_states", "updated_at", "product_id", "timestamptz", 0, "", ""},
	"product_price": {"products", "product_price", "id", "numeric", byPrice, ">= :min_price", "<= :max_price"},
	"product_name":  {"products", `lower(product_name) COLLATE "C"`, "id", "text", 0, "", ""},
}

// read returns the products of the index, from the position in args if from is an operator,
// and otherwise from the beginning.
//
// The owner is part of row comparisons, never user_id = owner: the planner could then choose
// the index over all products, which would have the right order too, and read it for the few
// products of the owner.
func (x sortIndex) read(args map[string]any, descending bool, from string) listSource {
	s := listSource{table: x.table, order: []string{x.key, x.id}, answers: x.bounded}
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
		case operator == from: // the position lies within the bounds
			s.where = append(s.where, fmt.Sprintf("(%s%s, %s) %s (%scast(:after_key AS %s), cast(:after_id AS bigint))",
				columns, x.key, x.id, operator, values, x.kind))
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
