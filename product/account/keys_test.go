package account_test

import (
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/bench/testenv"
	"vitrine/product"
	"vitrine/product/account"
)

// newKey creates a key for the environment's user.
func newKey(c *testenv.Environment, n account.NewAPIKey) (account.APIKey, string) {
	c.T.Helper()
	key, text, err := c.Accounts.CreateKey(c.T.Context(), product.OwnedBy(c.User), c.User, n)
	if err != nil {
		c.T.Fatal(err)
	}
	return key, text
}

// wantGrant checks that a key is valid and what it allows.
func wantGrant(t *testing.T, s *testenv.Replica, text string, want account.APIKey) {
	t.Helper()
	got, err := s.Accounts.VerifyKey(t.Context(), text)
	if diff := cmp.Diff(account.Grant{KeyID: want.ID, UserID: want.UserID, ReadOnly: want.ReadOnly}, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

func TestKeyText(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	form, seen := regexp.MustCompile(`^vit_[0-9A-Za-z]{49}$`), map[string]bool{}
	for range 10 {
		key, text := newKey(c, account.NewAPIKey{Name: "laptop"})
		if !form.MatchString(text) || !strings.HasPrefix(text, key.Prefix) || len(key.Prefix) != 10 || seen[text] {
			t.Errorf("key with prefix %q is malformed or not unique", key.Prefix)
		}
		seen[text] = true
	}
	for text := range seen {
		if n := c.Count(`api_keys WHERE sha256 = sha256(cast($1 AS bytea))`, text); n != 1 {
			t.Errorf("%d rows have the key's digest, want 1", n)
		}
		if n := c.Count(`api_keys WHERE cast(api_keys AS text) LIKE '%' || $1 || '%'`, text[10:30]); n != 0 {
			t.Error("a row contains the text of the key")
		}
	}
}

func TestVerifyKey(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	soon := time.Now().Add(time.Hour)
	full, fullText := newKey(c, account.NewAPIKey{})
	reader, readerText := newKey(c, account.NewAPIKey{ReadOnly: true, ExpiresAt: &soon})
	for range 2 { // first from the database, then from memory
		wantGrant(t, c.Replica, fullText, full)
		wantGrant(t, c.Replica, readerText, reader)
	}
	_, other := newKey(testenv.New(t), account.NewAPIKey{})
	for name, text := range map[string]string{
		"empty": "", "the mark": "vit_", "unknown": other, "one letter off": flip(fullText, 20), "wrong checksum": flip(fullText, len(fullText)-1),
		"too long": fullText + "0", "too short": fullText[:len(fullText)-1], "other mark": "VIT_" + fullText[4:],
	} {
		for range 2 {
			if got, err := c.Accounts.VerifyKey(t.Context(), text); !errors.Is(err, account.ErrInvalidKey) || got != (account.Grant{}) {
				t.Errorf("%s: %v, %v", name, got, err)
			}
		}
	}
}

// flip changes one character of a key.
func flip(text string, at int) string {
	c := "x"
	if text[at] == 'x' {
		c = "y"
	}
	return text[:at] + c + text[at+1:]
}

func TestKeyExpires(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	end := time.Now().Add(1500 * time.Millisecond)
	key, text := newKey(c, account.NewAPIKey{ExpiresAt: &end})
	wantGrant(t, c.Replica, text, key)
	testenv.Eventually(t, "the key has expired", func() bool {
		_, err := c.Accounts.VerifyKey(t.Context(), text)
		return errors.Is(err, account.ErrInvalidKey)
	})
	if since := time.Since(end); since < 0 || since > 2*time.Second {
		t.Errorf("the key ended %v after its expiry", since)
	}
	past := time.Now()
	_, _, err := c.Accounts.CreateKey(t.Context(), product.Everything(), c.User, account.NewAPIKey{ExpiresAt: &past, Name: "bell \a"})
	var invalid *product.ValidationError
	if !errors.As(err, &invalid) || len(invalid.Fields) != 2 {
		t.Errorf("got %v", err)
	}
}

func TestRevokeKey(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	old, oldText := newKey(c, account.NewAPIKey{Name: "old"})
	fresh, freshText := newKey(c, account.NewAPIKey{Name: "new"})
	wantGrant(t, c.Replica, oldText, old)
	wantGrant(t, c.Replica, freshText, fresh)
	var revoked *time.Time
	for range 2 {
		got, err := c.Accounts.RevokeKey(t.Context(), product.OwnedBy(c.User), c.User, old.ID)
		if err != nil || got.RevokedAt == nil || revoked != nil && !got.RevokedAt.Equal(*revoked) {
			t.Fatalf("%+v, %v, first revoked at %v", got, err, revoked)
		}
		revoked = got.RevokedAt
		if _, err := c.Accounts.VerifyKey(t.Context(), oldText); !errors.Is(err, account.ErrInvalidKey) {
			t.Errorf("the revoking replica still accepts the key: %v", err)
		}
	}
	wantGrant(t, c.Replica, freshText, fresh)
	keys, err := c.Accounts.Keys(t.Context(), product.OwnedBy(c.User), c.User)
	if err != nil || len(keys) != 2 || keys[0].ID != fresh.ID || keys[1].ID != old.ID || keys[1].RevokedAt == nil || keys[0].RevokedAt != nil {
		t.Errorf("%+v, %v", keys, err)
	}
}

// TestKeysOfOthers checks that one user's keys do not exist for another user.
func TestKeysOfOthers(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	key, text := newKey(c, account.NewAPIKey{})
	eve := c.AddUser()
	for name, scope := range map[string]product.Scope{"foreign": product.OwnedBy(eve), "none": {}} {
		_, _, err := c.Accounts.CreateKey(t.Context(), scope, c.User, account.NewAPIKey{})
		testenv.WantErr(t, err, product.ErrNotFound)
		_, err = c.Accounts.Keys(t.Context(), scope, c.User)
		testenv.WantErr(t, err, product.ErrNotFound)
		_, err = c.Accounts.RevokeKey(t.Context(), scope, c.User, key.ID)
		testenv.WantErr(t, err, product.ErrNotFound)
		if t.Failed() {
			t.Fatal(name)
		}
	}
	// A key does not exist under the id of another user either.
	_, err := c.Accounts.RevokeKey(t.Context(), product.OwnedBy(eve), eve, key.ID)
	testenv.WantErr(t, err, product.ErrNotFound)
	_, err = c.Accounts.RevokeKey(t.Context(), product.Everything(), eve, key.ID)
	testenv.WantErr(t, err, product.ErrNotFound)
	wantGrant(t, c.Replica, text, key)
	if keys, err := c.Accounts.Keys(t.Context(), product.OwnedBy(eve), eve); err != nil || len(keys) != 0 {
		t.Errorf("%v, %v", keys, err)
	}
}

func TestKeysAreBounded(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	var callers sync.WaitGroup
	results := make(chan error, 25)
	for range 25 {
		callers.Go(func() {
			_, _, err := c.Accounts.CreateKey(t.Context(), product.Everything(), c.User, account.NewAPIKey{})
			results <- err
		})
	}
	callers.Wait()
	close(results)
	created := 0
	for err := range results {
		if err == nil {
			created++
		} else {
			testenv.WantErr(t, err, account.ErrTooManyKeys)
			testenv.WantErr(t, err, product.ErrConflict)
		}
	}
	if n := c.Count("api_keys"); created != 10 || n != 10 {
		t.Errorf("%d keys created and %d stored, want 10", created, n)
	}
	keys, err := c.Accounts.Keys(t.Context(), product.Everything(), c.User)
	if err != nil || len(keys) != 10 {
		t.Fatal(keys, err)
	}
	if _, err := c.Accounts.RevokeKey(t.Context(), product.Everything(), c.User, keys[0].ID); err != nil {
		t.Fatal(err)
	}
	newKey(c, account.NewAPIKey{})

	// Old keys do not accumulate.
	c.Exec(`INSERT INTO api_keys (id, user_id, name, prefix, sha256, revoked_at)
		SELECT gen_random_uuid(), $1, '', '', sha256(cast(cast(n AS text) AS bytea)), now() FROM generate_series(1, 100) AS n`, c.User)
	c.Exec(`UPDATE api_keys SET expires_at = now() WHERE revoked_at IS NULL`)
	newKey(c, account.NewAPIKey{})
	if n := c.Count("api_keys"); n != 51 {
		t.Errorf("%d keys are kept, want 50 and the new one", n)
	}
}

func TestKeyUseIsRecorded(t *testing.T) {
	t.Parallel()
	c := testenv.New(t)
	used, text := newKey(c, account.NewAPIKey{})
	idle, _ := newKey(c, account.NewAPIKey{})
	began := time.Now().Add(-time.Second)
	wantGrant(t, c.Replica, text, used)
	testenv.Run(t, account.NewKeyUse(c.Accounts, 10*time.Millisecond, testenv.Quiet()).Run)
	last := func(id uuid.UUID) *time.Time {
		var at *time.Time
		c.Scan(&at, `SELECT last_used_at FROM api_keys WHERE id = $1`, id)
		return at
	}
	testenv.Eventually(t, "the use is recorded", func() bool { return last(used.ID) != nil })
	if at := last(used.ID); at.Before(began) || at.After(time.Now().Add(time.Second)) {
		t.Errorf("recorded use at %v", at)
	}
	if at := last(idle.ID); at != nil {
		t.Errorf("recorded use of an unused key at %v", at)
	}
	// The next use updates an old time.
	c.Exec(`UPDATE api_keys SET last_used_at = now() - interval '1 hour'`)
	testenv.Eventually(t, "the later use is recorded", func() bool {
		wantGrant(t, c.Replica, text, used)
		return last(used.ID).After(began)
	})
}
