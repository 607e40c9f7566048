package main

import (
	"image"
	"testing"

	"vitrine/imaging/imagingtest"
)

// The images drawn for the comparison behave like photographs: at the SSIM of the JPEG, WebP takes at most two
// thirds of its bytes, as docs/pipeline.md says of the large ones.
func TestWebPOfDrawnPictureIsSmaller(t *testing.T) {
	t.Parallel()
	source := imagingtest.Leaves(3200, 400, 1)
	e, err := compareWebP(colourPlanes(source).scaled(image.Pt(1600, 200)).planar())
	if err != nil {
		t.Fatal(err)
	}
	if share := e.webp / e.jpeg; share < 0.3 || share > 0.67 {
		t.Errorf("WebP takes %.0f bytes for the SSIM of %.0f bytes of JPEG: %.2f of them", e.webp, e.jpeg, share)
	}
}
