package product_test

import (
	"strings"
	"testing"

	"vitrine/bench/testenv"
	"vitrine/product"
	"vitrine/product/account"
)

func TestNewProductReportsEveryInvalidField(t *testing.T) {
	t.Parallel()
	bad := product.NewProduct{
		Name: "a\x00b", Description: strings.Repeat("ä", 10_001),
		Images: []string{"https://example.org/ok.png", "ftp://example.org/a", "", "https://user:pw@example.org/a", "/relative"},
	}
	testenv.WantFields(t, bad.Validate(), "user_id", "product_name", "product_description",
		"product_images/1", "product_images/2", "product_images/3", "product_images/4")
	good := product.NewProduct{
		UserID: 1, Name: strings.Repeat("ä", 200), Description: "a\n\tb\r" + strings.Repeat("ä", 9_995),
		Images: []string{"https://example.org/" + strings.Repeat("a", 2028)},
	}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}

func TestTextRules(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"": "required", "  ": "required", strings.Repeat("a", 201): "too_long", "a\nb": "invalid_characters",
		"a\xffb": "invalid_characters", "a\u0085b": "invalid_characters",
	} {
		err := product.NewProduct{UserID: 1, Name: name}.Validate()
		if code := testenv.WantFields(t, err, "product_name")[0].Code; code != want {
			t.Errorf("%q: %s, want %s", name, code, want)
		}
	}
}

func TestSourceRules(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"https://example.org/a.png": "", "http://1.2.3.4:8080/a?b=c#d": "", "HTTPS://EXAMPLE.ORG/": "", "http://[::1]/a": "",
		"https:///a": "invalid_url", "https://:80/a": "invalid_url", "mailto:a@b": "invalid_url", "//example.org/a": "invalid_url",
		"https://example.org/%zz": "invalid_url", "http://a b/": "invalid_characters", "http://a/\t": "invalid_characters",
		"http://@example.org/": "invalid_url", "https://example.org/" + strings.Repeat("a", 2029): "too_long",
	} {
		images := []string{source}
		err := product.Patch{Images: &images}.Validate()
		if want == "" {
			if err != nil {
				t.Errorf("%q: %v", source, err)
			}
			continue
		}
		if code := testenv.WantFields(t, err, "product_images/0")[0].Code; code != want {
			t.Errorf("%q: %s, want %s", source, code, want)
		}
	}
	many := make([]string, 21)
	testenv.WantFields(t, product.Patch{Images: &many}.Validate(), "product_images")
}

func TestPatchReportsEachFieldAlone(t *testing.T) {
	t.Parallel()
	bad, images := "\x01", []string{"no"}
	testenv.WantFields(t, product.Patch{Name: &bad}.Validate(), "product_name")
	testenv.WantFields(t, product.Patch{Description: &bad}.Validate(), "product_description")
	testenv.WantFields(t, product.Patch{Images: &images}.Validate(), "product_images/0")
	if err := (product.Patch{}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestNewUserRules(t *testing.T) {
	t.Parallel()
	if err := (account.NewUser{}).Validate(); err != nil {
		t.Error(err)
	}
	testenv.WantFields(t, account.NewUser{Name: " ", Email: "x"}.Validate(), "name", "email")
	for email, good := range map[string]bool{
		"ada@example.org": true, "a+b@localhost": true, "ä@example.org": true,
		"ada": false, "@example.org": false, "ada@": false, "a@b@c": false, "a b@c": false, "a\x00@c": false,
		strings.Repeat("a", 65) + "@c": false, "a@" + strings.Repeat("b", 253): false,
	} {
		if err := (account.NewUser{Name: "Ada", Email: email}).Validate(); (err == nil) != good {
			t.Errorf("%q: %v", email, err)
		}
	}
}

func TestFilterRules(t *testing.T) {
	t.Parallel()
	low, high := testenv.Price(t, "1"), testenv.Price(t, "2")
	bad := product.Filter{MinPrice: &high, MaxPrice: &low, Name: "\x00", Limit: 101, Cursor: "x"}
	testenv.WantFields(t, bad.Validate(), "max_price", "product_name", "limit", "cursor")
	testenv.WantFields(t, product.Filter{Limit: -1}.Validate(), "limit")
	good := product.Filter{MinPrice: &low, MaxPrice: &low, Limit: 100}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}
