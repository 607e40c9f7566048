package jpeg

import "image"

// Decoder is a decoder outside the pool.
type Decoder struct{ decoder }

// Decode decodes like the function Decode.
func (d *Decoder) Decode(src []byte, o Options) (image.Image, error) { return d.decode(src, o) }

// Bands decodes like the function Bands.
func (d *Decoder) Bands(src []byte, o Options, take func(band image.Image) error) error {
	return d.decodeBands(src, o, take)
}
