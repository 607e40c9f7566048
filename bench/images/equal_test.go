package main

import (
	"image"
	"testing"

	"vitrine/imaging/imagingtest"
)

// What is drawn for the comparison behaves as photographs do: at the likeness of the JPEG, WebP takes at most two
// thirds of its bytes, as the README says of the large ones.
func TestWebPOfDrawnPictureIsSmaller(t *testing.T) {
	t.Parallel()
	source := imagingtest.Leaves(3200, 400, 1)
	e, err := compareWebP(colourPlanes(source).scaled(image.Pt(1600, 200)).planar())
	if err != nil {
		t.Fatal(err)
	}
	if share := e.webp / e.jpeg; share < 0.3 || share > 0.67 {
		t.Errorf("%.0f bytes of WebP are as like as %.0f of JPEG: %.2f of them", e.webp, e.jpeg, share)
	}
}
