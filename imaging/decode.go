package imaging

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

	"vitrine/imaging/jpeg"
)

// decoder turns one file into pixels. It keeps the CPU time that is left, for a
// file that one decoder gives up on and another begins anew.
type decoder struct {
	src  []byte
	left time.Duration // of CPU time
}

// decode decodes the file as its header plans: to a picture, or to take band by band.
// The decoders are not trusted: what panics in them is a damaged picture. The error
// wraps jpeg.ErrUnsupported where the plan has to be changed. Bands that were taken
// before an error are void.
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
			img, err = nil, bad(CodeCorruptImage, "the picture is damaged",
				fmt.Errorf("decoder panicked: %v\n%s", v, debug.Stack()))
		}
	}()
	if h.banded() {
		err = jpeg.Bands(d.src, jpeg.Options{Scale: h.scale, Stop: clock.check, MaxPasses: maxPasses}, take)
	} else {
		img, err = decodeFormat(&meteredReader{clock, h.reader(d.src)}, h.format)
	}
	switch {
	case err == nil && h.banded():
		return nil, nil
	case err == nil:
		return h.place(img)
	case errors.Is(clock.err, errDecodeTimeout):
		return nil, bad(CodeDecodeTimeout, fmt.Sprintf("decoding took more than %s of CPU time", limit), err)
	case clock.err != nil:
		return nil, clock.err
	case errors.Is(err, jpeg.ErrUnsupported):
		return nil, err
	case errors.Is(err, jpeg.ErrTooManyPasses):
		return nil, bad(CodeDecodeTimeout, fmt.Sprintf("the picture is stored in more than %d passes", maxPasses), err)
	}
	return nil, undecodable(err)
}

// decodeFormat decodes the only frame or the first one. gif.Decode stops after
// it; gif.DecodeAll would go on for as many as the file has.
func decodeFormat(r io.Reader, format Format) (image.Image, error) {
	switch format {
	case JPEG:
		return stdjpeg.Decode(r)
	case PNG:
		return png.Decode(r)
	case GIF:
		return gif.Decode(r)
	default:
		return webp.Decode(r)
	}
}
