package main

import (
	"bytes"
	"image"
	stdjpeg "image/jpeg"
	"math"
	"time"

	"vitrine/imaging/jpeg/jpegenc"
	"vitrine/imaging/ssim"
	"vitrine/imaging/webp"
)

// equal holds the bytes of a size as JPEG of the fixed quality with optimised tables, and
// as WebP with the same SSIM.
type equal struct {
	jpeg, webp float64 // bytes
	ssim       float64
	cpu        time.Duration // of encoding the WebP once
}

// compareWebP finds the two neighbouring qualities of WebP between whose SSIM that of the
// JPEG lies, and interpolates their bytes.
func compareWebP(m *image.YCbCr) (equal, error) {
	file, err := jpegenc.Append(nil, m, jpegenc.Options{Quality: quality, Optimize: true})
	if err != nil {
		return equal{}, err
	}
	decoded, err := stdjpeg.Decode(bytes.NewReader(file))
	if err != nil {
		return equal{}, err
	}
	e := equal{jpeg: float64(len(file)), ssim: ssim.Gray(luma(m), luma(decoded))}
	low, high := 1, 100
	var bytesLow, bytesHigh, ssimLow, ssimHigh float64
	for high-low > 1 {
		middle := (low + high) / 2
		began := spent()
		body, err := webp.Append(nil, m, webp.Options{Quality: middle})
		if err != nil {
			return e, err
		}
		e.cpu = spent() - began
		got, err := decodeWebP(body)
		if err != nil {
			return e, err
		}
		if is := ssim.Gray(luma(m), luma(got)); is < e.ssim {
			low, bytesLow, ssimLow = middle, float64(len(body)), is
		} else {
			high, bytesHigh, ssimHigh = middle, float64(len(body)), is
		}
	}
	share := (e.ssim - ssimLow) / (ssimHigh - ssimLow)
	e.webp = math.Exp(math.Log(bytesLow)*(1-share) + math.Log(bytesHigh)*share)
	return e, nil
}
