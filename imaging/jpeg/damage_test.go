package jpeg_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"vitrine/imaging/jpeg"
)

// examples returns small files of every mode and several samplings.
func examples() map[string][]byte {
	files := map[string][]byte{}
	for _, sampling := range []string{"gray", "420", "444", "422", "411", "mixed"} {
		for mode, m := range modes {
			s := samplings[sampling]
			c := craft{width: 37, height: 27, sampling: s, marker: m.marker, quant: m.quant, scans: m.script(len(s)), grouped: true}
			files[sampling+"/"+mode] = c.encode()
			c.restart = 2
			files[sampling+"/"+mode+"/restart"] = c.encode()
		}
	}
	return files
}

func TestDecodeTruncated(t *testing.T) {
	t.Parallel()
	for name, src := range examples() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for percent := 0; percent <= 100; percent += 5 {
				if judge(t, src[:len(src)*percent/100]) == nil && percent < 100 {
					t.Errorf("the first %d %% of the file decode without an error", percent)
				}
			}
			if judge(t, src[:len(src)-2]) == nil {
				t.Error("no error without the EOI marker")
			}
		})
	}
}

func TestDecodeDamaged(t *testing.T) {
	t.Parallel()
	for name, src := range examples() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(uint64(len(src)), 7))
			for range 150 {
				damaged := bytes.Clone(src)
				for range 1 + r.IntN(3) {
					damaged[r.IntN(len(damaged))] ^= byte(1 << r.IntN(8))
				}
				if !modest(damaged) {
					continue
				}
				judge(t, damaged)
				for _, scale := range []int{2, 4, 8} {
					jpeg.Decode(damaged, jpeg.Options{Scale: scale})
				}
			}
		})
	}
}

// modest reports whether a source is small enough to decode in a test.
func modest(src []byte) bool {
	h, err := jpeg.Inspect(src)
	return err != nil || h.Width*h.Height <= 1<<17
}

// Scans of one small component visit few blocks, but each scan takes memory.
func TestDecodeLimitsScans(t *testing.T) {
	t.Parallel()
	c := craft{width: 320, height: 320, sampling: samplings["420"], marker: 0xc2, quant: 2000, scans: []craftScan{{comps: []int{0, 1, 2}}}}
	for scans, want := range map[int]error{9: nil, 10: jpeg.ErrTooManyPasses} {
		c.scans = c.scans[:1]
		for range scans - 1 {
			c.scans = append(c.scans, craftScan{[]int{1}, 1, 63, 0, 0})
		}
		if _, err := jpeg.Decode(c.encode(), jpeg.Options{MaxPasses: 3}); !errors.Is(err, want) {
			t.Errorf("%d scans of three components in three passes: error %v, want %v", scans, err, want)
		}
	}
}

// A scan of a few bytes visits every block, so decoding must stop after too many scans.
func TestDecodeScanBomb(t *testing.T) {
	t.Parallel()
	c := craft{width: 320, height: 320, sampling: samplings["gray"], marker: 0xc2, quant: 2000, scans: []craftScan{{comps: []int{0}}}}
	plain := c.encode()
	for _, high := range []int{0, 1} { // an empty first pass and an empty refinement
		c.scans = append(c.scans[:1], craftScan{[]int{0}, 1, 63, high, 0})
		longer := c.encode()
		scan := longer[len(plain)-2 : len(longer)-2]
		src := slices.Concat(plain[:len(plain)-2], bytes.Repeat(scan, 5000), plain[len(plain)-2:])
		if _, err := jpeg.Decode(src, jpeg.Options{}); !errors.Is(err, jpeg.ErrTooManyPasses) {
			t.Errorf("5000 scans of %d bytes: error %v, want ErrTooManyPasses", len(scan), err)
		}
		if _, err := jpeg.Decode(src, jpeg.Options{MaxPasses: 6000}); err != nil {
			t.Errorf("error with a sufficient MaxPasses: %v", err)
		}
	}
}

func TestDecodeStops(t *testing.T) {
	t.Parallel()
	stop := errors.New("enough")
	for name, src := range examples() {
		asked := 0
		_, err := jpeg.Decode(src, jpeg.Options{Stop: func() error { asked++; return nil }})
		if err != nil || asked < 3 {
			t.Fatalf("%s: Stop called %d times (%v)", name, asked, err)
		}
		for last := range asked {
			n := 0
			_, err := jpeg.Decode(src, jpeg.Options{Stop: func() error {
				if n++; n > last {
					return stop
				}
				return nil
			}})
			if !errors.Is(err, stop) || n != last+1 {
				t.Errorf("%s: stopped at call %d of %d, but made %d calls (%v)", name, last+1, asked, n, err)
			}
		}
	}
}
