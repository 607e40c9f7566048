package imagingtest

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"math"
)

// Tag is one part of an ICC profile.
type Tag struct {
	Name    string
	Content []byte
}

// Profile returns an ICC profile of version 4. space is "RGB ", "GRAY" or "CMYK"; connection is
// "XYZ " or "Lab ".
func Profile(space, connection string, tags ...Tag) []byte {
	var fields [128]byte
	copy(fields[8:], "\x04\x30\x00\x00mntr"+space+connection)
	copy(fields[36:], "acsp")
	head := append([]byte{}, fields[:]...)
	head = binary.BigEndian.AppendUint32(head, uint32(len(tags)))
	at := len(head) + 12*len(tags)
	var content []byte
	for _, t := range tags {
		head = append(head, t.Name...)
		head = binary.BigEndian.AppendUint32(head, uint32(at+len(content)))
		head = binary.BigEndian.AppendUint32(head, uint32(len(t.Content)))
		content = pad4(append(content, t.Content...))
	}
	out := append(head, content...)
	binary.BigEndian.PutUint32(out, uint32(len(out)))
	return out
}

func pad4(b []byte) []byte { return append(b, make([]byte, -len(b)&3)...) }

// Colorants are the XYZ values of red, green and blue relative to D50, as in profiles.
type Colorants [3][3]float64

// The colorants of Apple's Display P3, Adobe RGB (1998), ProPhoto RGB and the usual sRGB
// profile.
var (
	DisplayP3 = Colorants{{0.51512, 0.24120, -0.00105}, {0.29198, 0.69225, 0.04189}, {0.15710, 0.06657, 0.78407}}
	AdobeRGB  = Colorants{{0.60974, 0.31111, 0.01947}, {0.20528, 0.62567, 0.06087}, {0.14919, 0.06322, 0.74457}}
	ProPhoto  = Colorants{{0.79767, 0.28804, 0}, {0.13519, 0.71188, 0}, {0.03134, 0.00008, 0.82491}}
	SRGB      = Colorants{{0.43607, 0.22249, 0.01392}, {0.38515, 0.71687, 0.09708}, {0.14307, 0.06061, 0.71410}}
)

// MatrixProfile returns the profile of an RGB space whose channels have the same curve.
func MatrixProfile(c Colorants, curve []byte) []byte {
	tags := make([]Tag, 0, 6)
	for i, name := range []string{"r", "g", "b"} {
		xyz := []byte("XYZ \x00\x00\x00\x00")
		for _, v := range c[i] {
			xyz = appendFixed(xyz, v)
		}
		tags = append(tags, Tag{name + "XYZ", xyz}, Tag{name + "TRC", curve})
	}
	return Profile("RGB ", "XYZ ", tags...)
}

// GrayProfile returns the profile of a gray space.
func GrayProfile(curve []byte) []byte { return Profile("GRAY", "XYZ ", Tag{"kTRC", curve}) }

func appendFixed(b []byte, v float64) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(int32(math.Round(v*65536))))
}

// GammaCurve returns a curve with an exponent, which is rounded to 8 fractional bits.
func GammaCurve(gamma float64) []byte {
	b := append([]byte("curv\x00\x00\x00\x00"), 0, 0, 0, 1)
	return binary.BigEndian.AppendUint16(b, uint16(math.Round(gamma*256)))
}

// SampledCurve returns a curve of n samples of f.
func SampledCurve(n int, f func(float64) float64) []byte {
	b := binary.BigEndian.AppendUint32([]byte("curv\x00\x00\x00\x00"), uint32(n))
	for i := range n {
		b = binary.BigEndian.AppendUint16(b, uint16(math.Round(65535*f(float64(i)/float64(n-1)))))
	}
	return b
}

// ParametricCurve returns a curve of that function type.
func ParametricCurve(kind uint16, params ...float64) []byte {
	b := binary.BigEndian.AppendUint16([]byte("para\x00\x00\x00\x00"), kind)
	b = append(b, 0, 0)
	for _, v := range params {
		b = appendFixed(b, v)
	}
	return b
}

// SRGBCurve returns the curve of sRGB as Apple and others write it.
func SRGBCurve() []byte { return ParametricCurve(3, 2.4, 1/1.055, 0.055/1.055, 1/12.92, 0.04045) }

// TableProfile returns a profile with a table of size grid points a side. form is "mft1",
// "mft2" or "mAB ". lab returns the L*, a*, b* of inputs from 0 to 1.
func TableProfile(space, form string, size int, lab func(in []float64) [3]float64) []byte {
	n := map[string]int{"RGB ": 3, "CMYK": 4}[space]
	content := append([]byte(form), 0, 0, 0, 0, byte(n), 3, 0, 0)
	ramp := func(b []byte, width int) []byte { // the identity
		for i := range 256 {
			for range width {
				b = append(b, byte(i))
			}
		}
		return b
	}
	switch form {
	case "mft1", "mft2":
		width := int(form[3] - '0')
		content[10] = byte(size)
		content = append(content, make([]byte, 36)...)
		if width == 2 {
			content = append(content, 1, 0, 1, 0) // 256 entries in both
		}
		for range n {
			content = ramp(content, width)
		}
		content = appendNodes(content, n, size, width, form == "mft2", lab)
		for range 3 {
			content = ramp(content, width)
		}
	case "mAB ":
		curves := bytes.Repeat([]byte("curv\x00\x00\x00\x00\x00\x00\x00\x00"), 4)
		grid := make([]byte, 20)
		for i := range n {
			grid[i] = byte(size)
		}
		grid[16] = 2
		grid = pad4(appendNodes(grid, n, size, 2, false, lab))
		for _, offset := range []int{32, 0, 0, 32 + 48, 32 + 48 + len(grid)} { // B, matrix, M, table, A
			content = binary.BigEndian.AppendUint32(content, uint32(offset))
		}
		content = append(append(append(content, curves[:48]...), grid...), curves...)
	}
	return Profile(space, "Lab ", Tag{"A2B0", content})
}

func appendNodes(out []byte, n, size, width int, old bool, lab func([]float64) [3]float64) []byte {
	total := 1
	for range n {
		total *= size
	}
	in := make([]float64, n)
	for i := range total {
		rest := i
		for k := n - 1; k >= 0; k-- {
			in[k] = float64(rest%size) / float64(size-1)
			rest /= size
		}
		v := lab(in)
		for _, stored := range []float64{v[0] / 100, (v[1] + 128) / 255, (v[2] + 128) / 255} {
			most := 65535.0
			if old {
				most = 65280
			}
			word := uint16(math.Round(most * math.Max(0, math.Min(stored, 1))))
			if width == 1 {
				out = append(out, byte(math.Round(float64(word)/257)))
				continue
			}
			out = binary.BigEndian.AppendUint16(out, word)
		}
	}
	return out
}

// JPEGWithICC adds a profile to a JPEG in pieces of at most piece bytes.
func JPEGWithICC(file, profile []byte, piece int) []byte {
	e := &jpegEncoder{out: append([]byte{}, file[:2]...)}
	count := (len(profile) + piece - 1) / piece
	for i := range count {
		part := profile[i*piece : min((i+1)*piece, len(profile))]
		e.segment(0xe2, append(append([]byte("ICC_PROFILE\x00"), byte(i+1), byte(count)), part...))
	}
	return append(e.out, file[2:]...)
}

// PNGWithICC adds a profile to a PNG.
func PNGWithICC(file, profile []byte) []byte {
	var b bytes.Buffer
	b.WriteString("profile\x00\x00")
	z := zlib.NewWriter(&b)
	if _, err := z.Write(profile); err != nil {
		panic(err)
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return WithPNGChunk(file, "iCCP", b.Bytes())
}

// WebPWithICC adds a profile to a WebP of w x h pixels and one chunk.
func WebPWithICC(file, profile []byte, w, h int) []byte {
	const hasICC, hasAlpha = 0x20, 0x10
	flags := byte(hasICC)
	if string(file[12:16]) == "VP8L" {
		flags |= hasAlpha
	}
	extended := put24(put24([]byte{flags, 0, 0, 0}, w-1), h-1)
	return WebPOf(WebPChunk("VP8X", extended), WebPChunk("ICCP", profile), file[12:])
}
