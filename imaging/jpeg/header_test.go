package jpeg_test

import (
	"bytes"
	"image"
	stdjpeg "image/jpeg"
	"slices"
	"testing"

	"vitrine/imaging/jpeg"
)

// marked returns a segment.
func marked(marker byte, body string) []byte {
	n := len(body) + 2
	return append([]byte{0xff, marker, byte(n >> 8), byte(n)}, body...)
}

func TestInspect(t *testing.T) {
	t.Parallel()
	c := craft{width: 300, height: 200, sampling: samplings["420"], marker: 0xc2, quant: 9, scans: progression(3)}
	plain := c.encode()
	src := slices.Concat(plain[:2], marked(0xe0, "JFIF\x00\x01\x01"), marked(0xe1, "Exif\x00\x00II*\x00tiff"),
		marked(0xe1, "http://ns.adobe.com/xap/1.0/\x00"), marked(0xe2, "ICC_PROFILE\x00\x01\x02first"),
		marked(0xe2, "MPF\x00"), marked(0xe2, "ICC_PROFILE\x00\x02\x02second"), marked(0xee, "Adobe\x00\x64\x00\x00\x00\x00\x01"),
		plain[2:])
	h, err := jpeg.Inspect(src)
	if err != nil {
		t.Fatal(err)
	}
	if h.Width != 300 || h.Height != 200 || h.Components != 3 || !h.Progressive || !h.JFIF || h.Adobe != 1 {
		t.Errorf("header %+v", h)
	}
	if h.Sampling != [4]image.Point{{X: 2, Y: 2}, {X: 1, Y: 1}, {X: 1, Y: 1}} {
		t.Errorf("sampling %v", h.Sampling)
	}
	text := func(s jpeg.Segment) string { return string(src[s.Offset : s.Offset+s.Length]) }
	if text(h.EXIF) != "II*\x00tiff" || len(h.ICC) != 2 || text(h.ICC[0]) != "first" || text(h.ICC[1]) != "second" {
		t.Errorf("segments %+v %+v", h.EXIF, h.ICC)
	}
	h, err = jpeg.Inspect(plain)
	if err != nil || h.Adobe != -1 || h.JFIF || h.EXIF.Length != 0 || h.ICC != nil {
		t.Errorf("without metadata: %+v (%v)", h, err)
	}
	pieces := bytes.Repeat(marked(0xe2, "ICC_PROFILE\x00\x01\xff?"), 1000)
	h, err = jpeg.Inspect(slices.Concat(plain[:2], pieces, plain[2:]))
	if err != nil || len(h.ICC) != 256 {
		t.Errorf("%d pieces of a profile in a thousand, want 256 (%v)", len(h.ICC), err)
	}
}

func TestInspectRejects(t *testing.T) {
	t.Parallel()
	c := craft{width: 30, height: 20, sampling: samplings["420"], marker: 0xc0, quant: 9, scans: together(3)}
	src := c.encode()
	firstScan := bytes.Index(src, []byte{0xff, 0xda})
	for n := range firstScan {
		if _, err := jpeg.Inspect(src[:n]); err == nil {
			t.Fatalf("no error for the first %d bytes of the header", n)
		}
	}
	for name, src := range map[string][]byte{
		"no frame":   slices.Concat(src[:2], []byte{0xff, 0xd9}),
		"arithmetic": bytes.Replace(src, []byte{0xff, 0xc0}, []byte{0xff, 0xc9}, 1),
		"12 bits":    bytes.Replace(src, []byte{0xff, 0xc0, 0, 17, 8}, []byte{0xff, 0xc0, 0, 17, 12}, 1),
	} {
		if _, err := jpeg.Inspect(src); err == nil {
			t.Errorf("%s: no error", name)
		}
		if _, err := stdjpeg.DecodeConfig(bytes.NewReader(src)); err == nil {
			t.Errorf("%s: image/jpeg accepts the file", name)
		}
	}
}

// Header.Bytes is the memory of a band and its coefficients, plus a constant, and the planes have the expected sizes.
func TestHeaderBytes(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string][4]int64{
		"baseline":    {160 * 16 * 3 / 2, 160 * 16 * 3 / 8, 160 * 16 * 3 / 32, 160 * 16 * 3 / 128},
		"progressive": {60 * (64 + 136), 60 * (16 + 40), 60 * (4 + 16), 60 * (1 + 10)},
	} {
		m := modes[mode]
		c := craft{width: 160, height: 95, sampling: samplings["420"], marker: m.marker, quant: 9, scans: m.script(3)}
		src := c.encode()
		h, err := jpeg.Inspect(src)
		if err != nil {
			t.Fatal(err)
		}
		state := int64(32 << 10)
		if h.Progressive {
			state = 128 << 10
		}
		for i, bytes := range want {
			if got := h.Bytes(1<<i) - state; got != bytes {
				t.Errorf("%s, scale %d: %d bytes, want %d", mode, 1<<i, got, bytes)
			}
			m, err := jpeg.Decode(src, jpeg.Options{Scale: 1 << i})
			if err != nil {
				t.Fatal(err)
			}
			p := m.(*image.YCbCr)
			if got, want := len(p.Y)+len(p.Cb)+len(p.Cr), 160*96*3/2>>(2*i); got != want {
				t.Errorf("%s, scale %d: %d bytes of planes, want %d", mode, 1<<i, got, want)
			}
		}
	}
}
