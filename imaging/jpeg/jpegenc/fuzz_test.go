package jpegenc_test

import "testing"

// FuzzAppend encodes arbitrary samples and compares the result with image/jpeg.
func FuzzAppend(f *testing.F) {
	f.Add([]byte("some samples"), uint8(5), uint8(80), true)
	f.Add([]byte{0, 255, 0, 255}, uint8(17), uint8(100), false)
	f.Fuzz(func(t *testing.T, samples []byte, width, quality uint8, colour bool) {
		if len(samples) == 0 || len(samples) > 1<<12 || width == 0 {
			return
		}
		judgeAppend(t, samples, int(width), int(quality), colour)
	})
}
