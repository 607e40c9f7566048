-- The tables of vitrine. Applied at every start whose schema differs from the
-- one applied last; every statement may be repeated.

-- Substring search on names uses trigrams. The extension is a trusted one, so a
-- database's owner may create it; without it the search works, but by reading names.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;
EXCEPTION WHEN insufficient_privilege OR undefined_file OR feature_not_supported THEN
    RAISE NOTICE 'pg_trgm is not to be had: product name search will read names';
END
$$;

CREATE TABLE IF NOT EXISTS users (
    id         uuid PRIMARY KEY,
    name       text NOT NULL CONSTRAINT users_name_length CHECK (char_length(name) BETWEEN 1 AND 200),
    email      text NOT NULL CONSTRAINT users_email_length CHECK (octet_length(email) BETWEEN 3 AND 254),
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE  users IS 'Accounts that own products.';
COMMENT ON COLUMN users.id IS 'UUIDv7, made by the service.';
COMMENT ON COLUMN users.email IS 'As it was given; unique without regard to case.';
CREATE UNIQUE INDEX IF NOT EXISTS users_email_key ON users (lower(email));

CREATE TABLE IF NOT EXISTS api_keys (
    id           uuid PRIMARY KEY,
    user_id      uuid NOT NULL CONSTRAINT api_keys_user_id_fkey REFERENCES users (id),
    name         text NOT NULL CONSTRAINT api_keys_name_length CHECK (char_length(name) <= 200),
    prefix       text NOT NULL CONSTRAINT api_keys_prefix_length CHECK (char_length(prefix) <= 16),
    sha256       bytea NOT NULL CONSTRAINT api_keys_sha256_key UNIQUE
                 CONSTRAINT api_keys_sha256_length CHECK (octet_length(sha256) = 32),
    read_only    boolean NOT NULL DEFAULT false,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz
);
COMMENT ON TABLE  api_keys IS 'What users call the API with. Those that open nothing any more are kept for a while, to be looked at.';
COMMENT ON COLUMN api_keys.user_id IS 'For whom the key speaks.';
COMMENT ON COLUMN api_keys.prefix IS 'The first characters of the key, to tell it from others.';
COMMENT ON COLUMN api_keys.sha256 IS 'Digest of the key, which itself is nowhere.';
COMMENT ON COLUMN api_keys.read_only IS 'Whether it can change nothing.';
COMMENT ON COLUMN api_keys.expires_at IS 'From then on it opens nothing; null: never.';
COMMENT ON COLUMN api_keys.revoked_at IS 'Since when it opens nothing by somebody''s will.';
COMMENT ON COLUMN api_keys.last_used_at IS 'To about a minute, and written later than that.';
CREATE INDEX IF NOT EXISTS api_keys_user_id_id ON api_keys (user_id, id DESC);

CREATE TABLE IF NOT EXISTS products (
    id                        uuid PRIMARY KEY,
    user_id                   uuid NOT NULL CONSTRAINT products_user_id_fkey REFERENCES users (id),
    product_name              text NOT NULL CONSTRAINT products_name_length CHECK (char_length(product_name) BETWEEN 1 AND 200),
    product_description       text NOT NULL DEFAULT '' CONSTRAINT products_description_length CHECK (char_length(product_description) <= 10000),
    product_price             numeric NOT NULL CONSTRAINT products_price_range
                              CHECK (product_price >= 0 AND product_price < 1000000000000 AND scale(product_price) <= 4),
    product_images            text[] NOT NULL DEFAULT '{}' CONSTRAINT products_images_count CHECK (cardinality(product_images) <= 20),
    compressed_product_images text[] CONSTRAINT products_compressed_count CHECK (cardinality(compressed_product_images) BETWEEN 1 AND 20),
    version                   bigint NOT NULL DEFAULT 1 CONSTRAINT products_version_positive CHECK (version >= 1),
    created_at                timestamptz NOT NULL DEFAULT now(),
    updated_at                timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 85);
COMMENT ON TABLE  products IS 'The catalogue. Whoever changes what clients can see of a product or its images locks its row here first.';
COMMENT ON COLUMN products.id IS 'UUIDv7: descending order is newest first.';
COMMENT ON COLUMN products.product_price IS 'Exact amount, with the decimals it was given with.';
COMMENT ON COLUMN products.product_images IS 'Sources of the images in their order; images is what it is made from.';
COMMENT ON COLUMN products.compressed_product_images IS 'Object keys of the ready main variants in image order; null until something is ready.';
COMMENT ON COLUMN products.version IS 'Grows with every change that clients can see, those of its images included.';
ALTER TABLE products ADD COLUMN IF NOT EXISTS metadata jsonb NOT NULL DEFAULT '{}'
    CONSTRAINT products_metadata_object CHECK (jsonb_typeof(metadata) = 'object');
ALTER TABLE products ADD COLUMN IF NOT EXISTS external_id text
    CONSTRAINT products_external_id_length CHECK (char_length(external_id) BETWEEN 1 AND 128);
COMMENT ON COLUMN products.metadata IS 'What the client keeps with the product: up to 50 strings by name.';
COMMENT ON COLUMN products.external_id IS 'The client''s own id of the product, unique among those of its user.';
CREATE UNIQUE INDEX IF NOT EXISTS products_external_id_key ON products (user_id, external_id) WHERE external_id IS NOT NULL;

-- What the images of a product are together. It is written with the product's next
-- version, and for a new product here: its images are pending, if it has any.
CREATE OR REPLACE FUNCTION first_image_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.image_status := coalesce(NEW.image_status, CASE WHEN cardinality(NEW.product_images) = 0 THEN 'none' ELSE 'pending' END);
    RETURN NEW;
END
$$;
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'products'::regclass AND attname = 'image_status') THEN
        RETURN;
    END IF;
    ALTER TABLE products ADD COLUMN image_status text NOT NULL DEFAULT 'none' CONSTRAINT products_image_status_known
        CHECK (image_status IN ('none', 'pending', 'partial', 'ready', 'failed'));
    ALTER TABLE products ALTER COLUMN image_status DROP DEFAULT;
    IF to_regclass('images') IS NOT NULL THEN -- of an earlier release
        UPDATE products SET image_status = found.summary
        FROM (SELECT product_id, CASE
                  WHEN bool_or(status NOT IN ('ready', 'failed')) THEN 'pending'
                  WHEN bool_and(status = 'ready') THEN 'ready'
                  WHEN bool_and(status = 'failed') THEN 'failed'
                  ELSE 'partial' END AS summary
              FROM images GROUP BY product_id) AS found
        WHERE products.id = found.product_id;
    END IF;
END
$$;
COMMENT ON COLUMN products.image_status IS 'The states of the images together.';
CREATE OR REPLACE TRIGGER products_first_image_status BEFORE INSERT ON products
    FOR EACH ROW EXECUTE FUNCTION first_image_status();

-- Stored, so that a look at a product needs no parsing of its texts. English stems are
-- the same on both sides of a search, so that words of other languages are found too.
ALTER TABLE products ADD COLUMN IF NOT EXISTS search tsvector
    GENERATED ALWAYS AS (to_tsvector('pg_catalog.english', product_name || ' ' || product_description)) STORED;
COMMENT ON COLUMN products.search IS 'Words of name and description for full-text search.';

-- The indexes of products are on what no image changes, so that the results of images
-- touch none of them (HOT updates); those on what they do change belong to
-- product_states. Each order of a list is there twice, over all products and over each
-- user's: most lists are one user's, who may have one product or most of them.
DROP INDEX IF EXISTS products_user_id_id;
CREATE INDEX IF NOT EXISTS products_created ON products (created_at, id);
CREATE INDEX IF NOT EXISTS products_user_created ON products (user_id, created_at, id);
CREATE INDEX IF NOT EXISTS products_price_id ON products (product_price, id);
CREATE INDEX IF NOT EXISTS products_user_price ON products (user_id, product_price, id);
CREATE INDEX IF NOT EXISTS products_name ON products ((lower(product_name) COLLATE "C"), id);
CREATE INDEX IF NOT EXISTS products_user_name ON products (user_id, (lower(product_name) COLLATE "C"), id);
DROP INDEX IF EXISTS products_price;
-- For rare words and parts of names.
CREATE INDEX IF NOT EXISTS products_search ON products USING gin (search);
DO $$
BEGIN
    CREATE INDEX IF NOT EXISTS products_name_trgm ON products USING gin (product_name gin_trgm_ops);
EXCEPTION WHEN undefined_object THEN
    RAISE NOTICE 'no trigram index on product names';
END
$$;

CREATE TABLE IF NOT EXISTS product_states (
    product_id   uuid PRIMARY KEY CONSTRAINT product_states_product_id_fkey REFERENCES products (id) ON DELETE CASCADE,
    user_id      uuid NOT NULL,
    image_status text NOT NULL,
    updated_at   timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02);
COMMENT ON TABLE  product_states IS 'Copy of what changes with every step of an image, apart from products for its indexes'' sake. A trigger keeps it.';
CREATE INDEX IF NOT EXISTS product_states_updated ON product_states (updated_at, product_id);
CREATE INDEX IF NOT EXISTS product_states_user_updated ON product_states (user_id, updated_at, product_id);
CREATE INDEX IF NOT EXISTS product_states_status ON product_states (image_status, user_id);

CREATE OR REPLACE FUNCTION copy_product_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO product_states (product_id, user_id, image_status, updated_at)
    VALUES (NEW.id, NEW.user_id, NEW.image_status, NEW.updated_at)
    ON CONFLICT (product_id) DO UPDATE SET user_id = NEW.user_id, image_status = NEW.image_status, updated_at = NEW.updated_at;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER products_copy_state AFTER INSERT OR UPDATE OF user_id, image_status, updated_at ON products
    FOR EACH ROW EXECUTE FUNCTION copy_product_state();
INSERT INTO product_states (product_id, user_id, image_status, updated_at)
SELECT id, user_id, image_status, updated_at FROM products
WHERE NOT EXISTS (SELECT FROM product_states)
ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS images (
    id              uuid PRIMARY KEY,
    product_id      uuid NOT NULL CONSTRAINT images_product_id_fkey REFERENCES products (id) ON DELETE CASCADE,
    position        integer NOT NULL CONSTRAINT images_position_range CHECK (position BETWEEN 0 AND 19),
    source          text NOT NULL CONSTRAINT images_source_length CHECK (octet_length(source) BETWEEN 1 AND 2048),
    generation      bigint NOT NULL DEFAULT 1 CONSTRAINT images_generation_positive CHECK (generation >= 1),
    status          text NOT NULL DEFAULT 'pending' CONSTRAINT images_status_known
                    CHECK (status IN ('pending', 'processing', 'ready', 'failed')),
    attempts        integer NOT NULL DEFAULT 0 CONSTRAINT images_attempts_natural CHECK (attempts >= 0),
    deferrals       integer NOT NULL DEFAULT 0 CONSTRAINT images_deferrals_natural CHECK (deferrals >= 0),
    queued_at       timestamptz NOT NULL DEFAULT now(),
    claimed_at      timestamptz,
    lease_until     timestamptz,
    lease_owner     text,
    settled_at      timestamptz,
    error_code      text,
    error_detail    text,
    error_stage     text,
    error_retryable boolean,
    dead_lettered   boolean NOT NULL DEFAULT false,
    request_id      text NOT NULL DEFAULT '',
    source_sha256   text CONSTRAINT images_sha256_form CHECK (source_sha256 ~ '^[0-9a-f]{64}$'),
    source_bytes    bigint CONSTRAINT images_source_bytes_natural CHECK (source_bytes >= 0),
    format          text,
    width           integer CONSTRAINT images_width_positive CHECK (width > 0),
    height          integer CONSTRAINT images_height_positive CHECK (height > 0),
    placeholder     text,
    variants        jsonb NOT NULL DEFAULT '[]' CONSTRAINT images_variants_array CHECK (jsonb_typeof(variants) = 'array'),
    CONSTRAINT images_product_position_key UNIQUE (product_id, position) DEFERRABLE INITIALLY IMMEDIATE,
    CONSTRAINT images_lease_while_processing CHECK (
        (status = 'processing') = (lease_until IS NOT NULL AND lease_owner IS NOT NULL AND claimed_at IS NOT NULL)),
    CONSTRAINT images_error_when_failed CHECK (
        (status = 'failed') = (error_code IS NOT NULL AND error_detail IS NOT NULL AND error_retryable IS NOT NULL)),
    CONSTRAINT images_result_when_ready CHECK (status <> 'ready' OR (source_sha256 IS NOT NULL AND jsonb_array_length(variants) > 0))
) WITH (fillfactor = 85);
ALTER TABLE images ADD COLUMN IF NOT EXISTS average_color text
    CONSTRAINT images_average_color_form CHECK (average_color ~ '^#[0-9a-f]{6}$');
ALTER TABLE images ADD COLUMN IF NOT EXISTS animated boolean NOT NULL DEFAULT false;
ALTER TABLE images ADD COLUMN IF NOT EXISTS sent boolean NOT NULL DEFAULT false;
COMMENT ON TABLE  images IS 'One row per image of a product.';
COMMENT ON COLUMN images.position IS 'Place in the product, from 0 without gaps.';
COMMENT ON COLUMN images.source IS 'URL that the image is fetched from, or upload: and the key of an upload.';
COMMENT ON COLUMN images.generation IS 'Grows when the work starts anew; jobs of an older generation are dropped.';
COMMENT ON COLUMN images.attempts IS 'Tries begun, those excepted that ended by a fault of our own dependencies.';
COMMENT ON COLUMN images.deferrals IS 'Tries in a row that did not count in attempts; grows the backoff.';
COMMENT ON COLUMN images.queued_at IS 'When the latest job for the image went, or is due to go, to the queue; not claimed before.';
COMMENT ON COLUMN images.sent IS 'A job for it was taken from the outbox to be sent, and no worker has begun since; while a job waits in the outbox it says nothing.';
COMMENT ON COLUMN images.claimed_at IS 'When the try under way began.';
COMMENT ON COLUMN images.lease_until IS 'Until when the try under way has the image for itself.';
COMMENT ON COLUMN images.lease_owner IS 'Who has it: unique to one claim.';
COMMENT ON COLUMN images.settled_at IS 'When it became ready or failed.';
COMMENT ON COLUMN images.error_code IS 'Why it failed, from the fixed list of the imaging package.';
COMMENT ON COLUMN images.error_detail IS 'The same in words for the owner of the picture.';
COMMENT ON COLUMN images.error_stage IS 'Step of the try that failed.';
COMMENT ON COLUMN images.error_retryable IS 'Whether another try may succeed.';
COMMENT ON COLUMN images.dead_lettered IS 'Whether the failure of this generation stands in dead_letters.';
COMMENT ON COLUMN images.request_id IS 'Of the request that caused the work.';
COMMENT ON COLUMN images.source_sha256 IS 'Digest of the source; set before the first object is stored under it.';
COMMENT ON COLUMN images.format IS 'Format of the source; width, height in pixels after its orientation was applied.';
COMMENT ON COLUMN images.placeholder IS 'ThumbHash in base64, to show while the picture loads.';
COMMENT ON COLUMN images.average_color IS 'Mean in sRGB; null until ready, and where nothing of the picture is opaque.';
COMMENT ON COLUMN images.animated IS 'Whether the source moves; the variants show its first frame.';
COMMENT ON COLUMN images.variants IS '[{name, key, width, height, bytes, format}], the main variant first.';
ALTER TABLE images ADD COLUMN IF NOT EXISTS alt text CONSTRAINT images_alt_length CHECK (char_length(alt) <= 500);
-- What the second pass over a ready image goes by.
ALTER TABLE images ADD COLUMN IF NOT EXISTS recipe text NOT NULL DEFAULT '';
ALTER TABLE images ADD COLUMN IF NOT EXISTS focal_x real CONSTRAINT images_focal_x_range CHECK (focal_x BETWEEN 0 AND 1);
ALTER TABLE images ADD COLUMN IF NOT EXISTS focal_y real CONSTRAINT images_focal_y_range CHECK (focal_y BETWEEN 0 AND 1);
ALTER TABLE images ADD COLUMN IF NOT EXISTS source_etag text;
ALTER TABLE images ADD COLUMN IF NOT EXISTS source_modified text;
ALTER TABLE images ADD COLUMN IF NOT EXISTS rework_sha256 text CONSTRAINT images_rework_sha256_form CHECK (rework_sha256 ~ '^[0-9a-f]{64}$');
COMMENT ON COLUMN images.recipe IS 'Names what its variants were made by: sizes, formats, qualities; empty: by an earlier release.';
COMMENT ON COLUMN images.focal_x IS 'What a crop is to show, from 0 at the left to 1 at the right of the upright picture; null: the centre.';
COMMENT ON COLUMN images.focal_y IS 'The same from 0 at the top to 1 at the bottom; null where focal_x is.';
COMMENT ON COLUMN images.source_etag IS 'ETag that the source answered with, to ask whether it has changed.';
COMMENT ON COLUMN images.rework_sha256 IS 'Digest under which a second pass is about to store objects; nobody deletes them meanwhile.';
COMMENT ON COLUMN images.source_modified IS 'Its Last-Modified, as it was given.';
COMMENT ON COLUMN images.alt IS 'What the picture shows, in words; empty for one that only decorates, null where nobody has said.';
CREATE INDEX IF NOT EXISTS images_upload ON images (source) WHERE starts_with(source, 'upload:');
CREATE INDEX IF NOT EXISTS images_pending ON images (queued_at) WHERE status = 'pending';
CREATE INDEX IF NOT EXISTS images_processing ON images (lease_until) WHERE status = 'processing';
CREATE INDEX IF NOT EXISTS images_in_flight ON images (product_id) WHERE status = 'processing' OR status = 'pending' AND sent;
CREATE INDEX IF NOT EXISTS images_unfiled ON images (settled_at) WHERE status = 'failed' AND NOT dead_lettered;

CREATE TABLE IF NOT EXISTS uploads (
    id         uuid PRIMARY KEY,
    user_id    uuid NOT NULL CONSTRAINT uploads_user_id_fkey REFERENCES users (id),
    kept_until timestamptz NOT NULL DEFAULT now() + interval '1 day',
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE  uploads IS 'Files that clients have sent, or may yet send, to be the sources of images. The row is there before the object, uploads/<user_id>/<id>.';
COMMENT ON COLUMN uploads.user_id IS 'Whose products may name it.';
COMMENT ON COLUMN uploads.kept_until IS 'When to look whether an image names it; later by a day whenever one begins or ceases to.';
CREATE INDEX IF NOT EXISTS uploads_kept_until ON uploads (kept_until);

CREATE TABLE IF NOT EXISTS image_attempts (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    image_id    uuid NOT NULL CONSTRAINT image_attempts_image_id_fkey REFERENCES images (id) ON DELETE CASCADE,
    generation  bigint NOT NULL,
    attempt     integer NOT NULL CONSTRAINT image_attempts_attempt_positive CHECK (attempt >= 1),
    stage       text NOT NULL,
    outcome     text NOT NULL CONSTRAINT image_attempts_outcome_known
                CHECK (outcome IN ('ready', 'retry', 'failed', 'handed_back', 'lost', 'reworked', 'unchanged', 'kept')),
    code        text,
    detail      text,
    worker      text NOT NULL,
    request_id  text NOT NULL DEFAULT '',
    started_at  timestamptz NOT NULL,
    duration_ms bigint NOT NULL CONSTRAINT image_attempts_duration_natural CHECK (duration_ms >= 0)
);
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_constraint WHERE conname = 'image_attempts_outcome_known' AND conrelid = 'image_attempts'::regclass
               AND pg_get_constraintdef(oid) NOT LIKE '%reworked%') THEN
        ALTER TABLE image_attempts DROP CONSTRAINT image_attempts_outcome_known;
        ALTER TABLE image_attempts ADD CONSTRAINT image_attempts_outcome_known
            CHECK (outcome IN ('ready', 'retry', 'failed', 'handed_back', 'lost', 'reworked', 'unchanged', 'kept'));
    END IF;
END
$$;
COMMENT ON TABLE  image_attempts IS 'One row per ended try; the last 20 of each image are kept.';
COMMENT ON COLUMN image_attempts.attempt IS 'Number of the try; a try that did not count shares it with the next.';
COMMENT ON COLUMN image_attempts.stage IS 'Last step that was begun.';
COMMENT ON COLUMN image_attempts.outcome IS 'ready; retry: will be repeated; failed; handed_back: will be repeated and did not count; lost: its worker vanished. Of a ready image: reworked; unchanged; kept: it could not be reworked and stays as it was.';
COMMENT ON COLUMN image_attempts.code IS 'Why it is not ready; null when it is.';
COMMENT ON COLUMN image_attempts.worker IS 'Owner of the lease.';
CREATE INDEX IF NOT EXISTS image_attempts_image_id_id ON image_attempts (image_id, id);

CREATE TABLE IF NOT EXISTS outbox (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind          text NOT NULL CONSTRAINT outbox_kind_known CHECK (kind IN ('image_job', 'image_rework', 'delete_objects', 'invalidate')),
    subject       uuid NOT NULL,
    payload       jsonb NOT NULL,
    request_id    text NOT NULL DEFAULT '',
    trace_context text,
    attempts      integer NOT NULL DEFAULT 0,
    created_at    timestamptz NOT NULL DEFAULT now(),
    available_at  timestamptz NOT NULL DEFAULT now(),
    claimed_until timestamptz,
    claim         uuid
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000);
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_constraint WHERE conname = 'outbox_kind_known' AND conrelid = 'outbox'::regclass
               AND pg_get_constraintdef(oid) NOT LIKE '%image_rework%') THEN
        ALTER TABLE outbox DROP CONSTRAINT outbox_kind_known;
        ALTER TABLE outbox ADD CONSTRAINT outbox_kind_known
            CHECK (kind IN ('image_job', 'image_rework', 'delete_objects', 'invalidate'));
    END IF;
END
$$;
ALTER TABLE outbox ADD COLUMN IF NOT EXISTS owner uuid;
ALTER TABLE outbox ADD COLUMN IF NOT EXISTS in_line boolean NOT NULL DEFAULT false;
COMMENT ON TABLE  outbox IS 'What has to happen outside the database, written with the change that causes it and removed when done.';
COMMENT ON COLUMN outbox.subject IS 'What the row is about: the image of an image_job or image_rework, the product or API key otherwise.';
COMMENT ON COLUMN outbox.owner IS 'Of an image_job in line: whose product it is for; the nil UUID where that is gone.';
COMMENT ON COLUMN outbox.in_line IS 'Of an image_job: it is due and stands in its owner''s line. A job that is written without is lined up when it is due.';
COMMENT ON COLUMN outbox.trace_context IS 'W3C traceparent of the request that caused the row.';
COMMENT ON COLUMN outbox.attempts IS 'Times it was tried in vain.';
COMMENT ON COLUMN outbox.available_at IS 'Not to be done before.';
COMMENT ON COLUMN outbox.claimed_until IS 'Until when one relay has the row for itself.';
COMMENT ON COLUMN outbox.claim IS 'Which batch of which relay that is.';
CREATE INDEX IF NOT EXISTS outbox_due ON outbox (kind, available_at);
CREATE INDEX IF NOT EXISTS outbox_subject ON outbox (subject);
CREATE INDEX IF NOT EXISTS outbox_line ON outbox (owner, available_at, id) WHERE kind = 'image_job' AND in_line;
CREATE INDEX IF NOT EXISTS outbox_to_line_up ON outbox (available_at) WHERE kind = 'image_job' AND NOT in_line;

CREATE TABLE IF NOT EXISTS dead_letters (
    id             uuid PRIMARY KEY,
    image_id       uuid CONSTRAINT dead_letters_image_id_fkey REFERENCES images (id) ON DELETE CASCADE,
    product_id     uuid,
    generation     bigint,
    payload        bytea NOT NULL,
    payload_bytes  integer NOT NULL,
    payload_sha256 text NOT NULL,
    reason         text NOT NULL,
    code           text NOT NULL,
    stage          text NOT NULL,
    host           text NOT NULL,
    detail         text NOT NULL,
    fingerprint    text NOT NULL,
    request_id     text NOT NULL DEFAULT '',
    created_at     timestamptz NOT NULL DEFAULT now(),
    replayed_at    timestamptz,
    CONSTRAINT dead_letters_image_generation_key UNIQUE (image_id, generation),
    CONSTRAINT dead_letters_image_whole CHECK ((image_id IS NULL) = (generation IS NULL) AND (image_id IS NULL) = (product_id IS NULL))
);
COMMENT ON TABLE  dead_letters IS 'What ended in the dead-letter queue: failed images, and messages that could not be read.';
COMMENT ON COLUMN dead_letters.image_id IS 'Null for a message that could not be read.';
COMMENT ON COLUMN dead_letters.payload IS 'The message; of a long one its first 64 KiB.';
COMMENT ON COLUMN dead_letters.payload_bytes IS 'Length of the whole message.';
COMMENT ON COLUMN dead_letters.payload_sha256 IS 'Digest of the whole message, hexadecimal.';
COMMENT ON COLUMN dead_letters.reason IS 'Why the broker gave it up: rejected, delivery_limit, ...; reconciled: filed without the broker.';
COMMENT ON COLUMN dead_letters.host IS 'Host that the image was to be fetched from.';
COMMENT ON COLUMN dead_letters.fingerprint IS 'code|stage|host: what belongs together.';
COMMENT ON COLUMN dead_letters.replayed_at IS 'When the work on its image was begun anew.';
CREATE UNIQUE INDEX IF NOT EXISTS dead_letters_unreadable_key ON dead_letters (payload_sha256) WHERE image_id IS NULL;
CREATE INDEX IF NOT EXISTS dead_letters_fingerprint ON dead_letters (fingerprint, created_at);
CREATE INDEX IF NOT EXISTS dead_letters_product_id ON dead_letters (product_id);
CREATE INDEX IF NOT EXISTS dead_letters_to_replay ON dead_letters (fingerprint, id) WHERE replayed_at IS NULL;

CREATE TABLE IF NOT EXISTS dead_letter_replays (
    id                 uuid PRIMARY KEY,
    letter             uuid,
    fingerprint        text,
    canary             integer NOT NULL CONSTRAINT dead_letter_replays_canary_range CHECK (canary BETWEEN 0 AND 100),
    rate               integer NOT NULL CONSTRAINT dead_letter_replays_rate_range CHECK (rate BETWEEN 1 AND 1000),
    state              text NOT NULL DEFAULT 'running' CONSTRAINT dead_letter_replays_state_known
                       CHECK (state IN ('running', 'stopped', 'done')),
    reason             text,
    total              bigint NOT NULL,
    replayed           bigint NOT NULL DEFAULT 0,
    skipped_unreadable bigint NOT NULL DEFAULT 0,
    skipped_changed    bigint NOT NULL DEFAULT 0,
    skipped_gone       bigint NOT NULL DEFAULT 0,
    skipped_broken     bigint NOT NULL DEFAULT 0,
    canary_passed      boolean NOT NULL,
    position           uuid,
    steps              bigint NOT NULL DEFAULT 0,
    due_at             timestamptz NOT NULL DEFAULT now(),
    request_id         text NOT NULL DEFAULT '',
    created_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at        timestamptz,
    CONSTRAINT dead_letter_replays_one_selection CHECK (letter IS NULL OR fingerprint IS NULL),
    CONSTRAINT dead_letter_replays_end_whole CHECK ((state = 'running') = (finished_at IS NULL) AND (state = 'stopped') = (reason IS NOT NULL))
);
COMMENT ON TABLE  dead_letter_replays IS 'Orders to begin the work behind dead letters anew, and how far they are.';
COMMENT ON COLUMN dead_letter_replays.letter IS 'The one letter to replay; where it and fingerprint are null, all letters.';
COMMENT ON COLUMN dead_letter_replays.fingerprint IS 'The one group to replay.';
COMMENT ON COLUMN dead_letter_replays.canary IS 'How many have to end as ready before the rest is begun.';
COMMENT ON COLUMN dead_letter_replays.rate IS 'Images per second, and per step.';
COMMENT ON COLUMN dead_letter_replays.reason IS 'Why it was stopped.';
COMMENT ON COLUMN dead_letter_replays.total IS 'Letters that were selected at its beginning.';
COMMENT ON COLUMN dead_letter_replays.position IS 'The last letter that was counted; the next one has a greater id.';
COMMENT ON COLUMN dead_letter_replays.steps IS 'Number of the latest step: an earlier one that is still going on can write nothing.';
COMMENT ON COLUMN dead_letter_replays.due_at IS 'When the next step may begin; while one is going on, when that one counts as abandoned.';
CREATE INDEX IF NOT EXISTS dead_letter_replays_due ON dead_letter_replays (due_at) WHERE state = 'running';

CREATE TABLE IF NOT EXISTS dead_letter_canaries (
    replay_id  uuid NOT NULL CONSTRAINT dead_letter_canaries_replay_id_fkey REFERENCES dead_letter_replays (id) ON DELETE CASCADE,
    image_id   uuid NOT NULL,
    generation bigint NOT NULL,
    CONSTRAINT dead_letter_canaries_pkey PRIMARY KEY (replay_id, image_id, generation)
);
COMMENT ON TABLE  dead_letter_canaries IS 'Images that a replay began with, to see whether they succeed.';
COMMENT ON COLUMN dead_letter_canaries.image_id IS 'May be deleted meanwhile.';
COMMENT ON COLUMN dead_letter_canaries.generation IS 'That the replay has made.';

CREATE TABLE IF NOT EXISTS object_sweep (
    single   boolean PRIMARY KEY DEFAULT true CONSTRAINT object_sweep_one_row CHECK (single),
    position text NOT NULL DEFAULT '',
    due_at   timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE  object_sweep IS 'Where the search for objects without an image is; one row.';
COMMENT ON COLUMN object_sweep.position IS 'Key of the last object that was looked at; empty between two searches.';
COMMENT ON COLUMN object_sweep.due_at IS 'When the next page may be looked at; while one is, when that counts as abandoned.';
INSERT INTO object_sweep DEFAULT VALUES ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS idempotency_keys (
    owner        text NOT NULL,
    key          text NOT NULL CONSTRAINT idempotency_keys_key_length CHECK (octet_length(key) BETWEEN 1 AND 255),
    request_hash bytea NOT NULL CONSTRAINT idempotency_keys_hash_length CHECK (octet_length(request_hash) = 32),
    answer       json NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL DEFAULT now() + interval '24 hours',
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (owner, key)
);
COMMENT ON TABLE  idempotency_keys IS 'First answers to repeatable requests, by the client''s key; written with the request''s effect.';
COMMENT ON COLUMN idempotency_keys.owner IS 'Whose key it is: keys of different owners do not meet.';
COMMENT ON COLUMN idempotency_keys.request_hash IS 'SHA-256 of the request that used the key first.';
COMMENT ON COLUMN idempotency_keys.answer IS 'The data of its answer; json and not jsonb, which would not keep its bytes.';
COMMENT ON COLUMN idempotency_keys.expires_at IS 'From then on the key counts as unused, whether the row is still there or not.';
CREATE INDEX IF NOT EXISTS idempotency_keys_expires_at ON idempotency_keys (expires_at);

CREATE TABLE IF NOT EXISTS event_inbox (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    type         text NOT NULL,
    product_id   uuid NOT NULL,
    user_id      uuid NOT NULL,
    version      bigint NOT NULL,
    image_id     uuid,
    image_status text,
    occurred_at  timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000);
COMMENT ON TABLE  event_inbox IS 'Changes of products, written with them, that have no place in events yet.';
COMMENT ON COLUMN event_inbox.id IS 'In the order of a product''s versions; across products, ids may commit out of order.';

CREATE TABLE IF NOT EXISTS events (
    position     bigint PRIMARY KEY,
    type         text NOT NULL,
    product_id   uuid NOT NULL,
    user_id      uuid NOT NULL,
    version      bigint NOT NULL,
    image_id     uuid,
    image_status text,
    occurred_at  timestamptz NOT NULL
);
COMMENT ON TABLE  events IS 'Committed changes of products in one order for all readers; the old ones are pruned.';
COMMENT ON COLUMN events.position IS 'Without gaps, and given out in the order in which rows become visible: who has read up to one misses nothing before it.';
COMMENT ON COLUMN events.product_id IS 'May be deleted meanwhile.';
COMMENT ON COLUMN events.version IS 'Of the product after the change; a deleted one counts as its next version.';
COMMENT ON COLUMN events.image_id IS 'The one image whose state changed; null for a change of the product.';
COMMENT ON COLUMN events.image_status IS 'State of all images after the change; null where the product was deleted.';

CREATE TABLE IF NOT EXISTS event_log (
    single boolean PRIMARY KEY DEFAULT true CONSTRAINT event_log_one_row CHECK (single),
    last   bigint NOT NULL DEFAULT 0,
    pruned bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
COMMENT ON TABLE  event_log IS 'Bounds of events; one row, locked by whoever gives out positions.';
COMMENT ON COLUMN event_log.last IS 'The position given out last.';
COMMENT ON COLUMN event_log.pruned IS 'The last position that was pruned.';
INSERT INTO event_log DEFAULT VALUES ON CONFLICT DO NOTHING;
