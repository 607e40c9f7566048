package imaging

import (
	"bytes"
	"encoding/binary"
)

// jpegHead is what a JPEG's segments say before its first scan (ITU T.81, annex B).
type jpegHead struct {
	components  []jpegComponent
	progressive bool
	rgb         bool // stored as RGB or CMYK rather than with luma and chroma
	quality     int  // 1 to 100, of the IJG scale; 0 without a usable table
	orientation orientation
}

type jpegComponent struct{ id, h, v byte }

// JPEG markers.
const (
	markerSOF0  = 0xc0
	markerSOF2  = 0xc2
	markerSOI   = 0xd8
	markerSOS   = 0xda
	markerDQT   = 0xdb
	markerAPP1  = 0xe1
	markerAPP14 = 0xee
)

// readJPEGHead walks the segments up to the first scan. It takes what it can get:
// damage is for the decoder to find.
func readJPEGHead(src []byte) jpegHead {
	head := jpegHead{orientation: upright}
	for i := 2; i+4 <= len(src); {
		if src[i] != 0xff {
			i++ // stray bytes between segments are skipped, as the decoder does
			continue
		}
		marker := src[i+1]
		if marker == 0xff || marker == 0 || marker == 0x01 || (marker >= 0xd0 && marker <= markerSOI) {
			i++ // fill bytes, stuffing and markers without a segment
			continue
		}
		end := i + 2 + int(binary.BigEndian.Uint16(src[i+2:]))
		if marker == markerSOS || end < i+4 || end > len(src) {
			return head
		}
		head.take(marker, src[i+4:end])
		i = end
	}
	return head
}

func (head *jpegHead) take(marker byte, segment []byte) {
	switch {
	case marker >= markerSOF0 && marker <= markerSOF2:
		head.progressive = marker == markerSOF2
		head.takeFrame(segment)
	case marker == markerDQT:
		head.takeTables(segment)
	case marker == markerAPP1 && head.orientation == upright:
		if tiff, ok := bytes.CutPrefix(segment, []byte("Exif\x00\x00")); ok {
			head.orientation = exifOrientation(tiff)
		}
	case marker == markerAPP14 && len(segment) >= 12 && string(segment[:5]) == "Adobe":
		head.rgb = segment[11] == 0
	}
}

func (head *jpegHead) takeFrame(segment []byte) {
	if len(segment) < 6 {
		return
	}
	head.components = head.components[:0]
	for c := segment[6:]; len(c) >= 3 && len(head.components) < int(segment[5]); c = c[3:] {
		head.components = append(head.components, jpegComponent{c[0], c[1] >> 4, c[1] & 15})
	}
	if len(head.components) == 3 && head.components[0].id == 'R' && head.components[1].id == 'G' {
		head.rgb = true
	}
}

// standardLuma is the sum of the luminance table of ITU T.81, table K.1, which
// the quality scale of the IJG library refers to.
const standardLuma = 3688

// takeTables estimates the quality from table 0, the luminance's by custom: the
// IJG scale multiplies the standard table by 50/q below 50, by 2-q/50 from there on.
func (head *jpegHead) takeTables(segment []byte) {
	for len(segment) > 0 {
		wide, id := segment[0]>>4, segment[0]&15
		segment = segment[1:]
		size := 64
		if wide != 0 {
			size = 128
		}
		if len(segment) < size {
			return
		}
		if id == 0 {
			sum := 0
			for k := range 64 {
				if wide != 0 {
					sum += int(binary.BigEndian.Uint16(segment[2*k:]))
				} else {
					sum += int(segment[k])
				}
			}
			head.quality = qualityOf(sum)
		}
		segment = segment[size:]
	}
}

func qualityOf(sum int) int {
	if sum <= 0 {
		return 0
	}
	if sum < standardLuma {
		return min(max(100-50*sum/standardLuma, 1), 100)
	}
	return max(50*standardLuma/sum, 1)
}

// decodeBytes is what the standard decoder allocates for width x height pixels:
// the planes, four bytes a sample more for the coefficients of a progressive
// picture, and a copy for colour models that are converted.
func (head *jpegHead) decodeBytes(width, height int) int64 {
	var maxH, maxV int64 = 1, 1
	for _, c := range head.components {
		maxH, maxV = max(maxH, int64(c.h)), max(maxV, int64(c.v))
	}
	if len(head.components) == 1 {
		maxH, maxV = 1, 1
	}
	up := func(n, unit int64) int64 { return (n + unit - 1) / unit * unit }
	pixels := up(int64(width), 8*maxH) * up(int64(height), 8*maxV)
	var samples int64 // in the coefficients; planes may be widened to full size
	for _, c := range head.components {
		if len(head.components) == 1 {
			samples = pixels
			break
		}
		samples += pixels * int64(c.h) * int64(c.v) / (maxH * maxV)
	}
	planes := samples
	if !head.regular() {
		planes = pixels * int64(len(head.components))
	}
	total := planes
	if head.progressive {
		total += 4 * samples
	}
	if len(head.components) == 4 || head.rgb {
		total += 4 * pixels
	}
	return total
}

// regular reports whether the chroma components share one sampling and the first
// has the finest: others are decoded into planes of full size.
func (head *jpegHead) regular() bool {
	c := head.components
	if len(c) < 3 {
		return true
	}
	return c[1].h == c[2].h && c[1].v == c[2].v && c[0].h >= c[1].h && c[0].v >= c[1].v
}
