package imaging

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/image/webp"
)

// decode turns a file into pixels within a CPU time limit. The decoders are not
// trusted: what panics in them is a damaged picture.
func decode(ctx context.Context, src []byte, format Format, limit time.Duration) (img image.Image, err error) {
	runtime.LockOSThread() // for the thread's CPU clock
	defer runtime.UnlockOSThread()
	r := newMeteredReader(ctx, src, limit)
	defer func() {
		if v := recover(); v != nil {
			img, err = nil, bad(CodeCorruptImage, "the picture is damaged",
				fmt.Errorf("decoder panicked: %v\n%s", v, debug.Stack()))
		}
	}()
	img, err = decodeFormat(r, format)
	switch {
	case err == nil:
		return img, nil
	case errors.Is(r.err, errDecodeTimeout):
		return nil, bad(CodeDecodeTimeout, fmt.Sprintf("decoding took more than %s of CPU time", limit), err)
	case r.err != nil:
		return nil, r.err
	}
	return nil, undecodable(err)
}

// decodeFormat decodes the only frame or the first one. gif.Decode stops after
// it; gif.DecodeAll would go on for as many as the file has.
func decodeFormat(r io.Reader, format Format) (image.Image, error) {
	switch format {
	case JPEG:
		return jpeg.Decode(r)
	case PNG:
		return png.Decode(r)
	case GIF:
		return gif.Decode(r)
	default:
		return webp.Decode(r)
	}
}
