package product_test

import (
	"encoding/json"
	"errors"
	"testing"

	"vitrine/bench/testenv"
	"vitrine/product"
)

func TestParsePrice(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"0": "0", "-0": "0", "0.1": "0.1", "19.90": "19.90", "12.5000": "12.5000", "1e2": "100", "1.5E+1": "15",
		"1250e-2": "12.50", "999999999999.9999": "999999999999.9999", "1.00000": "1.0000", "0e999999999": "0",
		"0.00e-99999999999999999999": "0", "10000e-8": "0.0001",
	} {
		p, err := product.ParsePrice(in)
		if err != nil || p.String() != want {
			t.Errorf("%s: %v, %v; want %s", in, p, err, want)
		}
		if b, err := json.Marshal(p); err != nil || string(b) != want {
			t.Errorf("%s: JSON %s, %v", in, b, err)
		}
	}
}

func TestParsePriceRefuses(t *testing.T) {
	t.Parallel()
	for in, code := range map[string]string{
		"": "invalid", "abc": "invalid", "1,5": "invalid", "01": "invalid", ".5": "invalid", "5.": "invalid", "+1": "invalid",
		"0x10": "invalid", "1e": "invalid", "1e+": "invalid", "1e5.5": "invalid", "1e--5": "invalid", "NaN": "invalid",
		"Infinity": "invalid", `"1"`: "invalid", "null": "invalid", " 1": "invalid", "1_0": "invalid", "--1": "invalid",
		"-1": "out_of_range", "-0.0001": "out_of_range", "1000000000000": "out_of_range", "1e12": "out_of_range",
		"1e999999999": "out_of_range", "1e99999999999999999999": "out_of_range", "-1e999999999": "out_of_range",
		"0.00001": "too_precise", "1e-999999999": "too_precise", "1e-99999999999999999999": "too_precise", "1.23456": "too_precise",
	} {
		// Writing out a huge power of ten would take minutes or all memory.
		parsed := make(chan error, 1)
		go func() { parsed <- testenv.ErrOf(product.ParsePrice(in)) }()
		err := testenv.Receive(t, "the end of the parsing", parsed)
		var f *product.FieldError
		if !errors.As(err, &f) || f.Code != code {
			t.Errorf("%q: %v, want %s", in, err, code)
		}
	}
}

func TestPriceComparison(t *testing.T) {
	t.Parallel()
	if !testenv.Price(t, "1.5").Equal(testenv.Price(t, "1.50")) || testenv.Price(t, "1.5").Less(testenv.Price(t, "1.50")) || !testenv.Price(t, "0.1").Less(testenv.Price(t, "0.11")) {
		t.Error("wrong result of Equal or Less")
	}
	var p product.Price
	if err := json.Unmarshal([]byte("19.90"), &p); err != nil || p.String() != "19.90" {
		t.Errorf("%v, %v", p, err)
	}
	if err := json.Unmarshal([]byte(`"19.90"`), &p); err == nil {
		t.Error("a JSON string was accepted as a price")
	}
}

func FuzzParsePrice(f *testing.F) {
	for _, s := range []string{"0", "12.50", "1e2", "1e-4", "999999999999.9999", "1e999999999", "-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := product.ParsePrice(s)
		if err != nil {
			return
		}
		again, err := product.ParsePrice(p.String())
		if err != nil || !again.Equal(p) || again.String() != p.String() {
			t.Errorf("%q was parsed as %s and then as %s, %v", s, p, again, err)
		}
	})
}
