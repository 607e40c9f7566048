package catalogue

import (
	"context"

	"vitrine/product"
)

// indexable says which texts of a filter an index finds.
type indexable struct {
	Query bool `db:"query_indexed"`
	Name  bool `db:"name_indexed"`
}

// prepare settles how the statements of the list are planned, until the end of the
// transaction: by the indexes that have the right order, whatever the planner believes
// to know of the tables. It asks what texts mean to the database; a query without a
// word to look for is a [*product.ValidationError].
func (l *listQuery) prepare(ctx context.Context) error {
	// querytree is T where the index cannot help, as with excluded words alone. Three
	// letters in a row are a trigram; without one the index would be read as a whole.
	const q = `
		SELECT concat(set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true),
				set_config('enable_incremental_sort', 'off', true), set_config('jit', 'off', true),
				set_config('max_parallel_workers_per_gather', '0', true)) AS settings,
			coalesce(numnode(websearch_to_tsquery('pg_catalog.english', cast(:query AS text))) = 0, false) AS wordless,
			coalesce(querytree(websearch_to_tsquery('pg_catalog.english', cast(:query AS text))) NOT IN ('', 'T'), false) AS query_indexed,
			coalesce(cast(:name AS text) ~ cast(:trigram AS text), false) AND to_regclass('products_name_trgm') IS NOT NULL AS name_indexed`
	var found []struct {
		Settings string `db:"settings"`
		Wordless bool   `db:"wordless"`
		indexable
	}
	further := map[string]any{"trigram": "[[:alnum:]]{3}", "name": l.args["name"], "query": l.args["query"]}
	if err := l.read(ctx, &found, q, further); err != nil {
		return err
	}
	if found[0].Wordless {
		return product.Invalid("q", "no_words", "has no word to look for: words as frequent as \"the\" do not count")
	}
	l.words = found[0].indexable
	return nil
}

// gatherable gives the sets that a single part of the filter selects, or its user:
// each has all that the list can show. The one that is cheaper to count comes first.
func (l *listQuery) gatherable() []listSource {
	var sources []listSource
	if l.given&byExternalID != 0 {
		sources = append(sources, listSource{table: "products", answers: byExternalID, where: []string{externalIDCondition}})
	}
	if l.given&byStatus != 0 {
		s := listSource{table: "product_states", answers: byStatus, where: []string{"image_status = cast(:image_status AS text)"}}
		if l.owned() {
			s.where = append(s.where, "user_id = cast(:owner AS bigint)")
		}
		sources = append(sources, s)
	}
	for _, field := range []string{"created_at", "product_price"} {
		x := sortIndexes[field]
		if l.given&x.bounded != 0 || l.owned() && field == "created_at" {
			sources = append(sources, x.read(l.args, false, ""))
		}
	}
	if l.words.Query {
		sources = append(sources, listSource{table: "products", answers: byQuery, where: []string{queryCondition}})
	}
	if l.words.Name {
		sources = append(sources, listSource{table: "products", answers: byName, where: []string{nameCondition}})
	}
	return sources
}

// smallest gives a set of at most readLimit products that has all that is selected,
// nil where none is known.
func (l *listQuery) smallest(ctx context.Context) (*listSource, error) {
	if l.searched {
		return l.small, nil
	}
	for _, s := range l.gatherable() {
		n, err := l.size(ctx, s, readLimit+1)
		if err != nil {
			return nil, err
		}
		if n <= readLimit {
			l.small = &s
			break
		}
	}
	l.searched = true
	return l.small, nil
}

// everything is all products, or all of the owner's.
func (l *listQuery) everything() listSource { return sortIndexes["created_at"].read(l.args, false, "") }

// covered reports whether all of the set is selected: the set's own products need
// no further look.
func (l *listQuery) covered(s listSource) bool {
	return l.given&^s.answers == 0 && (!l.owned() || s.table == "product_states" || len(s.order) > 0)
}
