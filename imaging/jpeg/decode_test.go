package jpeg_test

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	stdjpeg "image/jpeg"
	"strings"
	"testing"

	"vitrine/imaging/jpeg"
	"vitrine/imaging/jpeg/jpegtest"
)

func pts(list ...int) (p []image.Point) {
	for i := 0; i < len(list); i += 2 {
		p = append(p, image.Pt(list[i], list[i+1]))
	}
	return p
}

var samplings = map[string][]image.Point{
	"gray":  pts(1, 1),
	"gray2": pts(2, 2),
	"444":   pts(1, 1, 1, 1, 1, 1),
	"422":   pts(2, 1, 1, 1, 1, 1),
	"420":   pts(2, 2, 1, 1, 1, 1),
	"411":   pts(4, 1, 1, 1, 1, 1),
	"440":   pts(1, 2, 1, 1, 1, 1),
	"410":   pts(4, 2, 1, 1, 1, 1),
	"422x2": pts(2, 2, 1, 2, 1, 2),
	"1x4":   pts(1, 4, 1, 1, 1, 1),
	"mixed": pts(2, 2, 2, 1, 1, 2),
	"small": pts(1, 1, 2, 2, 1, 1),
}

var modes = map[string]struct {
	marker byte
	quant  int
	script func(int) []craftScan
}{
	"baseline":    {0xc0, 4, together},
	"scans":       {0xc0, 9, apart},
	"extended":    {0xc1, 300, together},
	"progressive": {0xc2, 5, progression},
	"selection":   {0xc2, 11, selection},
}

// judge compares Decode at full scale with image/jpeg, by the compatibility rules of the package documentation, and
// returns the error of Decode.
func judge(t *testing.T, src []byte) error {
	t.Helper()
	want, wantErr := stdjpeg.Decode(bytes.NewReader(src))
	got, err := jpeg.Decode(src, jpeg.Options{})
	switch {
	case errors.Is(err, jpeg.ErrUnsupported), errors.Is(err, jpeg.ErrTooManyPasses):
	case wantErr == nil && err != nil:
		t.Fatalf("image/jpeg decodes the file, but Decode returns: %v", err)
	case wantErr == nil && !jpegtest.SamePixels(want, got):
		t.Fatalf("pixels differ from image/jpeg: %v and %v", want.Bounds(), got.Bounds())
	case wantErr != nil && err == nil && !mayExceed(src, wantErr):
		t.Fatalf("Decode succeeds, but image/jpeg returns: %v", wantErr)
	}
	return err
}

// mayExceed reports whether this package may decode the source although image/jpeg does not.
func mayExceed(src []byte, stdErr error) bool {
	if strings.Contains(stdErr.Error(), "subsampling ratio") {
		return true // image/jpeg accepts them since Go 1.27
	}
	h, err := jpeg.Inspect(src)
	several := h.Sampling[0] != image.Pt(1, 1) || h.Sampling[1] != image.Pt(1, 1) || h.Sampling[2] != image.Pt(1, 1)
	return err == nil && several && bytes.Contains(src, []byte{0xff, 0xdd})
}

func TestDecodeEqualsStandardLibrary(t *testing.T) {
	t.Parallel()
	sizes := []image.Point{{1, 1}, {7, 9}, {8, 8}, {16, 17}, {33, 15}, {67, 45}}
	for name, sampling := range samplings {
		for mode, m := range modes {
			if (name == "1x4" || name == "mixed" || name == "small") && mode != "baseline" {
				continue // image/jpeg visits the blocks of single components of such files in another order
			}
			t.Run(name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				for _, size := range sizes {
					for _, restart := range []int{0, 1, 3} {
						c := craft{
							width: size.X, height: size.Y, sampling: sampling, marker: m.marker, quant: m.quant,
							scans: m.script(len(sampling)), restart: restart, grouped: true, fill: restart, tail: "after",
						}
						if err := judge(t, c.encode()); err != nil {
							t.Fatalf("%v, restart %d: %v", size, restart, err)
						}
					}
				}
			})
		}
	}
}

// image/jpeg fails on restart intervals that count the blocks of a single subsampled component, as the standard specifies.
// The pixels must be those of the file without restarts.
func TestDecodeRestartsOfSingleComponent(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"scans", "progressive", "selection"} {
		for _, restart := range []int{1, 2, 5} {
			m := modes[mode]
			c := craft{
				width: 67, height: 45, sampling: samplings["420"], marker: m.marker, quant: m.quant, scans: m.script(3),
			}
			want, err := jpeg.Decode(c.encode(), jpeg.Options{})
			if err != nil {
				t.Fatal(err)
			}
			c.restart = restart
			got, err := jpeg.Decode(c.encode(), jpeg.Options{})
			if err != nil {
				t.Errorf("%s, restart %d: %v", mode, restart, err)
			} else if !jpegtest.SamePixels(want, got) {
				t.Errorf("%s, restart %d: pixels differ from the file without restarts", mode, restart)
			}
		}
	}
}

func TestDecodeUnsupported(t *testing.T) {
	t.Parallel()
	c := craft{width: 16, height: 16, sampling: samplings["444"], marker: 0xc0, quant: 4, scans: together(3)}
	plain := c.encode()
	adobe := []byte{0xff, 0xee, 0, 14, 'A', 'd', 'o', 'b', 'e', 0, 0, 0, 0, 0, 0, 0}
	rgb := append(append([]byte{0xff, 0xd8}, adobe...), plain[2:]...)
	c.sampling, c.scans = pts(1, 1, 1, 1, 1, 1, 1, 1), together(4)
	four := c.encode()
	c.sampling, c.scans, c.height = samplings["gray"], together(1), 0
	for name, src := range map[string][]byte{"RGB": rgb, "four components": four, "height 0": c.encode()} {
		if _, err := jpeg.Decode(src, jpeg.Options{}); !errors.Is(err, jpeg.ErrUnsupported) {
			t.Errorf("%s: error %v, want ErrUnsupported", name, err)
		}
	}
	if _, err := jpeg.Decode(plain, jpeg.Options{Scale: 3}); err == nil {
		t.Error("scale 3 was accepted")
	}
}

func TestDecoderIsReusable(t *testing.T) {
	t.Parallel()
	var d jpeg.Decoder
	for round := range 2 {
		for name, sampling := range samplings {
			for mode, m := range modes {
				c := craft{
					width: 50, height: 20 + round, sampling: sampling, marker: m.marker, quant: m.quant, scans: m.script(len(sampling)),
				}
				src := c.encode()
				want, wantErr := jpeg.Decode(src, jpeg.Options{})
				d.Decode(src[:len(src)/2], jpeg.Options{}) // a failure must not affect the next file
				got, err := d.Decode(src, jpeg.Options{})
				if fmt.Sprint(wantErr) != fmt.Sprint(err) || err == nil && !jpegtest.SamePixels(want, got) {
					t.Errorf("%s/%s: a reused decoder returns a different result (%v)", name, mode, err)
				}
			}
		}
		d = jpeg.Decoder{}
	}
}

// The tables of one file are not available to the next.
func TestDecoderForgetsTables(t *testing.T) {
	t.Parallel()
	var d jpeg.Decoder
	c := craft{width: 16, height: 16, sampling: samplings["gray"], marker: 0xc0, quant: 4, scans: together(1)}
	src := c.encode()
	if _, err := d.Decode(src, jpeg.Options{}); err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(src, []byte{0xff, 0xc4})
	scan := bytes.Index(src, []byte{0xff, 0xda})
	if _, err := d.Decode(append(src[:at:at], src[scan:]...), jpeg.Options{}); err == nil {
		t.Error("a file without Huffman tables was decoded")
	}
}
