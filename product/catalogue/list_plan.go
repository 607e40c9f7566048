package catalogue

import (
	"context"

	"vitrine/product"
)

// indexable reports which texts of a filter an index can find.
type indexable struct {
	Query bool `db:"query_indexed"`
	Name  bool `db:"name_indexed"`
}

// prepare makes the planner use the indexes with the right order until the end of the
// transaction, whatever its statistics say. It also reads how PostgreSQL parses the texts; a
// query without a searchable word is a [*product.ValidationError].
func (l *listQuery) prepare(ctx context.Context) error {
	// querytree is T if the index cannot help, as with excluded words only. A name without
	// three alphanumerics in a row has no trigram: PostgreSQL would read the whole index.
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
		return product.Invalid("q", "no_words", "has no searchable word: words as common as \"the\" are ignored")
	}
	l.words = found[0].indexable
	return nil
}

// gatherable returns the sets that single criteria of the filter, or its user, select. Each
// contains all matching products. Sets that are cheaper to count come first.
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

// smallest returns a set of at most readLimit products that contains all matches, or nil if
// no such set is known.
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

// everything returns the set of all products, or of all products of the owner.
func (l *listQuery) everything() listSource { return sortIndexes["created_at"].read(l.args, false, "") }

// covered reports whether every product of the set matches the filter.
func (l *listQuery) covered(s listSource) bool {
	return l.given&^s.answers == 0 && (!l.owned() || s.table == "product_states" || len(s.order) > 0)
}
