package process

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/gif"
	stdjpeg "image/jpeg"
	"image/png"
	"io"
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/image/webp"

	"vitrine/imaging"
	"vitrine/imaging/jpeg"
)

// decoder turns one file into pixels. It keeps track of the remaining CPU time, because
// a second decoder may start over after the first one has given up.
type decoder struct {
	src  []byte
	left time.Duration // of CPU time
}

// decode decodes the file in the way that its header says: it returns a picture, or
// passes bands to take. Decoders are not trusted: a panic in one counts as a damaged
// picture. The error wraps jpeg.ErrUnsupported if the other JPEG decoder has to be used.
// Bands that were passed before an error must be discarded.
func (d *decoder) decode(ctx context.Context, h header, take func(band image.Image) error) (img image.Image, err error) {
	runtime.LockOSThread() // for the thread's CPU clock
	defer runtime.UnlockOSThread()
	limit := d.left
	if h.jpeg.Progressive {
		limit = min(limit, progressiveTime)
	}
	clock := newClock(ctx, limit)
	defer func() {
		d.left -= clock.used()
		if v := recover(); v != nil {
			img, err = nil, refuse(imaging.CodeCorruptImage, "the image is damaged",
				fmt.Errorf("decoder panicked: %v\n%s", v, debug.Stack()))
		}
	}()
	if h.banded() {
		err = jpeg.Bands(d.src, jpeg.Options{Scale: h.scale, Stop: clock.check, MaxPasses: maxPasses}, take)
	} else {
		img, err = decodeFormat(&meteredReader{clock: clock, src: h.reader(d.src)}, h.format)
	}
	switch {
	case err == nil && h.banded():
		return nil, nil
	case err == nil:
		return h.place(img)
	case errors.Is(clock.err, errDecodeTimeout):
		return nil, refuse(imaging.CodeDecodeTimeout, fmt.Sprintf("decoding took more than %s of CPU time", limit), err)
	case clock.err != nil:
		return nil, clock.err
	case errors.Is(err, jpeg.ErrUnsupported):
		return nil, err
	case errors.Is(err, jpeg.ErrTooManyPasses):
		return nil, refuse(imaging.CodeDecodeTimeout, fmt.Sprintf("the image is stored in more than %d passes", maxPasses), err)
	}
	return nil, undecodable(err)
}

// decodeFormat decodes the first frame. It uses gif.Decode, which stops there, because
// gif.DecodeAll would decode every frame of the file.
func decodeFormat(r io.Reader, format imaging.Format) (image.Image, error) {
	switch format {
	case imaging.JPEG:
		return stdjpeg.Decode(r)
	case imaging.PNG:
		return png.Decode(r)
	case imaging.GIF:
		return gif.Decode(r)
	default:
		return webp.Decode(r)
	}
}
