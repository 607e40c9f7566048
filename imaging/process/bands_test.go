package process_test

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"testing"

	"vitrine/imaging"
	"vitrine/imaging/imagingtest"
	"vitrine/imaging/process"
)

// A picture that is scaled while it is decoded gets the same files as one that is decoded
// first, in every sampling, scale and orientation, and in odd sizes.
func TestBandsMakeTheSameFiles(t *testing.T) {
	t.Parallel()
	for _, size := range []image.Point{{1, 1}, {17, 1700}, {301, 203}, {4003, 151}, {8005, 97}, {103, 4401}, {97, 11999}} {
		photo := imagingtest.Photo(size.X, size.Y, 7)
		for name, sampling := range samplings {
			for o := 1; o <= 8; o++ {
				if name != "4:2:0" && o != 1+int(sampling[0])%8 {
					continue // all orientations for 4:2:0, one for each other sampling
				}
				for _, progressive := range []bool{false, true} {
					t.Run(fmt.Sprintf("%v %s %d %v", size, name, o, progressive), func(t *testing.T) {
						t.Parallel()
						src := imagingtest.WithEXIF(sampled(photo, progressive, -1, sampling...), imagingtest.EXIF(o))
						want, err := process.Whole(t.Context(), src)
						if err != nil {
							t.Fatal(err)
						}
						got := mustProcess(t, src)
						for i, r := range got.Renditions {
							if !bytes.Equal(r.Body, want.Renditions[i].Body) {
								t.Errorf("%s is a different file", r.Name)
							}
						}
					})
				}
			}
		}
	}
}

// Damage after the first bands fails the whole picture.
func TestDamageAfterTheFirstBandsFailsThePicture(t *testing.T) {
	t.Parallel()
	photo := imagingtest.Photo(640, 480, 3)
	for name, src := range map[string][]byte{
		"baseline":    sampled(photo, false, -1, 0x22, 0x11, 0x11),
		"progressive": sampled(photo, true, -1, 0x22, 0x11, 0x11),
	} {
		cut := bytes.Clone(src[:len(src)*9/10])
		for what, damaged := range map[string][]byte{
			"an early end": append(cut, 0xff, 0xd9),
			"no end":       src[:len(src)*9/10],
		} {
			got, err := process.New(process.Config{}).Process(t.Context(), damaged, process.Options{})
			if err == nil {
				got.Release()
			}
			var refused *imaging.Error
			if !errors.As(err, &refused) || refused.Code != imaging.CodeCorruptImage {
				t.Errorf("%s with %s: %v", name, what, err)
			}
		}
	}
}
