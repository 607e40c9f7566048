package product_test

import (
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"vitrine/bench/testenv"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/product"
)

// newKey makes a key of the catalogue's user.
func (c *catalogue) newKey(n product.NewAPIKey) (product.APIKey, string) {
	c.t.Helper()
	key, text, err := c.accounts.CreateKey(c.t.Context(), product.OwnedBy(c.user), c.user, n)
	if err != nil {
		c.t.Fatal(err)
	}
	return key, text
}

// wantGrant checks what a key allows.
func wantGrant(t *testing.T, s *replica, text string, want product.APIKey) {
	t.Helper()
	got, err := s.accounts.VerifyKey(t.Context(), text)
	if diff := cmp.Diff(product.Grant{KeyID: want.ID, UserID: want.UserID, ReadOnly: want.ReadOnly}, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

func TestKeyText(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	form, seen := regexp.MustCompile(`^vit_[0-9A-Za-z]{49}$`), map[string]bool{}
	for range 10 {
		key, text := c.newKey(product.NewAPIKey{Name: "laptop"})
		if !form.MatchString(text) || !strings.HasPrefix(text, key.Prefix) || len(key.Prefix) != 10 || seen[text] {
			t.Errorf("key with prefix %q is not of the form, or not new", key.Prefix)
		}
		seen[text] = true
	}
	for text := range seen {
		if n := c.count(`api_keys WHERE sha256 = sha256(cast($1 AS bytea))`, text); n != 1 {
			t.Errorf("%d rows have its digest", n)
		}
		if n := c.count(`api_keys WHERE cast(api_keys AS text) LIKE '%' || $1 || '%'`, text[10:30]); n != 0 {
			t.Error("a row has the text")
		}
	}
}

func TestVerifyKey(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	soon := time.Now().Add(time.Hour)
	full, fullText := c.newKey(product.NewAPIKey{})
	reader, readerText := c.newKey(product.NewAPIKey{ReadOnly: true, ExpiresAt: &soon})
	for range 2 { // from the database, then from memory
		wantGrant(t, c.replica, fullText, full)
		wantGrant(t, c.replica, readerText, reader)
	}
	_, other := newCatalogue(t).newKey(product.NewAPIKey{})
	for name, text := range map[string]string{
		"empty": "", "the mark": "vit_", "unknown": other, "one letter off": flip(fullText, 20), "wrong checksum": flip(fullText, len(fullText)-1),
		"too long": fullText + "0", "too short": fullText[:len(fullText)-1], "other mark": "VIT_" + fullText[4:],
	} {
		for range 2 {
			if got, err := c.accounts.VerifyKey(t.Context(), text); !errors.Is(err, product.ErrInvalidKey) || got != (product.Grant{}) {
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
	c := newCatalogue(t)
	end := time.Now().Add(1500 * time.Millisecond)
	key, text := c.newKey(product.NewAPIKey{ExpiresAt: &end})
	wantGrant(t, c.replica, text, key)
	testenv.Eventually(t, "it has expired", func() bool {
		_, err := c.accounts.VerifyKey(t.Context(), text)
		return errors.Is(err, product.ErrInvalidKey)
	})
	if since := time.Since(end); since < 0 || since > 2*time.Second {
		t.Errorf("%v after its time", since)
	}
	past := time.Now()
	_, _, err := c.accounts.CreateKey(t.Context(), product.Everything(), c.user, product.NewAPIKey{ExpiresAt: &past, Name: "bell \a"})
	var invalid *product.ValidationError
	if !errors.As(err, &invalid) || len(invalid.Fields) != 2 {
		t.Errorf("got %v", err)
	}
}

func TestRevokeKey(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	old, oldText := c.newKey(product.NewAPIKey{Name: "old"})
	fresh, freshText := c.newKey(product.NewAPIKey{Name: "new"})
	wantGrant(t, c.replica, oldText, old)
	wantGrant(t, c.replica, freshText, fresh)
	var revoked *time.Time
	for range 2 {
		got, err := c.accounts.RevokeKey(t.Context(), product.OwnedBy(c.user), c.user, old.ID)
		if err != nil || got.RevokedAt == nil || revoked != nil && !got.RevokedAt.Equal(*revoked) {
			t.Fatalf("%+v, %v, first revoked at %v", got, err, revoked)
		}
		revoked = got.RevokedAt
		if _, err := c.accounts.VerifyKey(t.Context(), oldText); !errors.Is(err, product.ErrInvalidKey) {
			t.Errorf("this replica still takes it: %v", err)
		}
	}
	wantGrant(t, c.replica, freshText, fresh)
	keys, err := c.accounts.Keys(t.Context(), product.OwnedBy(c.user), c.user)
	if err != nil || len(keys) != 2 || keys[0].ID != fresh.ID || keys[1].ID != old.ID || keys[1].RevokedAt == nil || keys[0].RevokedAt != nil {
		t.Errorf("%+v, %v", keys, err)
	}
}

// TestKeysOfOthers has a user ask for what another one has: nothing of it is there.
func TestKeysOfOthers(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	key, text := c.newKey(product.NewAPIKey{})
	eve := c.addUser()
	for name, scope := range map[string]product.Scope{"foreign": product.OwnedBy(eve), "none": {}} {
		_, _, err := c.accounts.CreateKey(t.Context(), scope, c.user, product.NewAPIKey{})
		wantErr(t, err, product.ErrNotFound)
		_, err = c.accounts.Keys(t.Context(), scope, c.user)
		wantErr(t, err, product.ErrNotFound)
		_, err = c.accounts.RevokeKey(t.Context(), scope, c.user, key.ID)
		wantErr(t, err, product.ErrNotFound)
		if t.Failed() {
			t.Fatal(name)
		}
	}
	// Under one's own id another's key is not there either.
	_, err := c.accounts.RevokeKey(t.Context(), product.OwnedBy(eve), eve, key.ID)
	wantErr(t, err, product.ErrNotFound)
	_, err = c.accounts.RevokeKey(t.Context(), product.Everything(), eve, key.ID)
	wantErr(t, err, product.ErrNotFound)
	wantGrant(t, c.replica, text, key)
	if keys, err := c.accounts.Keys(t.Context(), product.OwnedBy(eve), eve); err != nil || len(keys) != 0 {
		t.Errorf("%v, %v", keys, err)
	}
}

func TestKeysAreBounded(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	var callers sync.WaitGroup
	results := make(chan error, 25)
	for range 25 {
		callers.Go(func() {
			_, _, err := c.accounts.CreateKey(t.Context(), product.Everything(), c.user, product.NewAPIKey{})
			results <- err
		})
	}
	callers.Wait()
	close(results)
	made := 0
	for err := range results {
		if err == nil {
			made++
		} else {
			wantErr(t, err, product.ErrTooManyKeys)
			wantErr(t, err, product.ErrConflict)
		}
	}
	if n := c.count("api_keys"); made != 10 || n != 10 {
		t.Errorf("%d made, %d there", made, n)
	}
	keys, err := c.accounts.Keys(t.Context(), product.Everything(), c.user)
	if err != nil || len(keys) != 10 {
		t.Fatal(keys, err)
	}
	if _, err := c.accounts.RevokeKey(t.Context(), product.Everything(), c.user, keys[0].ID); err != nil {
		t.Fatal(err)
	}
	c.newKey(product.NewAPIKey{})

	// Keys that are over do not pile up.
	c.exec(`INSERT INTO api_keys (id, user_id, name, prefix, sha256, revoked_at)
		SELECT gen_random_uuid(), $1, '', '', sha256(cast(cast(n AS text) AS bytea)), now() FROM generate_series(1, 100) AS n`, c.user)
	c.exec(`UPDATE api_keys SET expires_at = now() WHERE revoked_at IS NULL`)
	c.newKey(product.NewAPIKey{})
	if n := c.count("api_keys"); n != 51 {
		t.Errorf("%d keys are kept, want 50 and the new one", n)
	}
}

func TestKeyUseIsWritten(t *testing.T) {
	t.Parallel()
	c := newCatalogue(t)
	used, text := c.newKey(product.NewAPIKey{})
	idle, _ := c.newKey(product.NewAPIKey{})
	began := time.Now().Add(-time.Second)
	wantGrant(t, c.replica, text, used)
	testenv.Run(t, product.NewKeyUse(c.accounts, 10*time.Millisecond, testenv.Quiet()).Run)
	last := func(id uuid.UUID) *time.Time {
		var at *time.Time
		c.scan(&at, `SELECT last_used_at FROM api_keys WHERE id = $1`, id)
		return at
	}
	testenv.Eventually(t, "the use is written", func() bool { return last(used.ID) != nil })
	if at := last(used.ID); at.Before(began) || at.After(time.Now().Add(time.Second)) {
		t.Errorf("used at %v", at)
	}
	if at := last(idle.ID); at != nil {
		t.Errorf("a key that was not used was used at %v", at)
	}
	// An old time is brought up to date with the next use that is noted.
	c.exec(`UPDATE api_keys SET last_used_at = now() - interval '1 hour'`)
	testenv.Eventually(t, "a later use is written", func() bool {
		wantGrant(t, c.replica, text, used)
		return last(used.ID).After(began)
	})
}
