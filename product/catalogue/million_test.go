package catalogue_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"vitrine/bench/testenv"
	"vitrine/product/catalogue"
)

// million is a service on 1,000,000 products of 10,000 users. One user has a tenth
// of all, most have less than a hundred. The products are as real ones in what makes
// lists slow: words and states that are rare, frequent, or frequent in old products
// alone.
type million struct {
	service *catalogue.Service
	DSN     string
	users   map[string]int64 // with the most products, with some thousands, with a few
}

// prepareMillion takes from the tables what slows the loading, and what it takes for
// itself in time: constraints, triggers and the log. The indexes are made afterwards,
// from their own definitions.
const prepareMillion = `
	ALTER TABLE images DROP CONSTRAINT images_product_id_fkey;
	ALTER TABLE product_states DROP CONSTRAINT product_states_product_id_fkey;
	ALTER TABLE products SET UNLOGGED;
	ALTER TABLE product_states SET UNLOGGED;
	ALTER TABLE products DISABLE TRIGGER ALL, SET (autovacuum_enabled = off);
	ALTER TABLE product_states SET (autovacuum_enabled = off);
	CREATE TABLE index_definitions AS
		SELECT indexname AS name, indexdef AS definition FROM pg_indexes
		WHERE schemaname = current_schema() AND tablename IN ('products', 'product_states') AND indexname NOT LIKE '%_pkey';
	DO $$
	DECLARE d record;
	BEGIN
		FOR d IN SELECT name FROM index_definitions LOOP
			EXECUTE format('DROP INDEX %I', d.name);
		END LOOP;
	END $$;
	SET maintenance_work_mem = '256MB';
	SET max_parallel_maintenance_workers = 0;
	SELECT setseed(0.42);`

// loadMillion makes the users and the products, one a second, the last one now.
const loadMillion = `
	INSERT INTO users (id, name, email)
	SELECT n, 'User ' || n, n || '@example.org' FROM generate_series(1, 10000) AS n;

	INSERT INTO products (user_id, product_name, product_description, product_price, product_images, external_id, image_status, created_at, updated_at)
	SELECT
		1 + floor(10000 * power(random(), 4))::integer,
		(ARRAY['Lamp', 'Chair', 'Table', 'Rug', 'Vase', 'Desk', 'Shelf', 'Sofa', 'Mirror', 'Clock', 'Bottle', 'Mug', 'Plate',
			'Basket', 'Candle', 'Frame', 'Quilt', 'Stool', 'Bench', 'Drawer'])[1 + floor(20 * power(random(), 2))]
			|| ' ' || (ARRAY['red', 'blue', 'green', 'oak', 'brass', 'steel', 'glass', 'linen'])[1 + floor(8 * random())] || ' ' || n / 10,
		'A ' || (ARRAY['sturdy', 'light', 'small', 'large', 'simple'])[1 + floor(5 * random())] || ' piece for the '
			|| (ARRAY['kitchen', 'hall', 'garden', 'office'])[1 + floor(4 * power(random(), 2))]
			|| CASE WHEN n < 20000 THEN ', antique' ELSE '' END || CASE WHEN n % 27000 = 0 THEN ', a unicorn' ELSE '' END
			|| ', batch' || n % 5000,
		round(cast(exp(random() * 7) AS numeric), 2),
		CASE status WHEN 'none' THEN '{}' ELSE ARRAY['https://img.example/' || n || '.jpg'] END,
		CASE WHEN n % 10 = 0 THEN 'sku-' || n END, status,
		now() - (1000000 - n) * interval '1 second', now() - random() * (1000000 - n) * interval '1 second'
	FROM (
		SELECT n, CASE WHEN n % 50000 = 0 THEN 'partial' WHEN p < 0.72 THEN 'ready' WHEN p < 0.96 THEN 'none' WHEN p < 0.99 THEN 'failed' ELSE 'pending' END AS status
		FROM (SELECT n, random() AS p FROM generate_series(1, 1000000) AS n) AS dice
	) AS numbers;

	INSERT INTO product_states SELECT id, user_id, image_status, updated_at FROM products;
	DO $$
	DECLARE d record;
	BEGIN
		FOR d IN SELECT definition FROM index_definitions LOOP
			EXECUTE d.definition;
		END LOOP;
	END $$;`

func newMillion(t *testing.T) *million {
	t.Helper()
	began := time.Now()
	dsn := testenv.DSN(t)
	conn, err := testenv.OpenDB(t, dsn).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for _, q := range []string{prepareMillion, loadMillion, "VACUUM (ANALYZE) products", "VACUUM (ANALYZE) product_states"} {
		if _, err := conn.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	m := &million{DSN: dsn, users: make(map[string]int64)}
	for name, rank := range map[string]int{"most": 0, "thousands": 9, "few": 5000} {
		m.users[name] = m.user(t, conn, rank)
	}
	m.service = testenv.NewReplica(testenv.Open(t, dsn), nil).Service
	t.Logf("1,000,000 products in %.1f s", time.Since(began).Seconds())
	return m
}

// user returns the user with the most products after rank others.
func (m *million) user(t *testing.T, conn *sql.Conn, rank int) (id int64) {
	t.Helper()
	const q = `SELECT user_id FROM products GROUP BY user_id ORDER BY count(*) DESC LIMIT 1 OFFSET $1`
	if err := conn.QueryRowContext(context.WithoutCancel(t.Context()), q, rank).Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}
