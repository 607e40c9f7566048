package product

// Focal is the point of an image that a crop is to show: from 0 at the left and the
// top to 1, kept to a thousandth.
type Focal struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

// focal checks a point.
func (f *FieldErrors) focal(p *Focal) {
	if p == nil {
		return
	}
	for i, v := range []float64{p.X, p.Y} {
		if v < 0 || v > 1 {
			f.Add([]string{"focal/x", "focal/y"}[i], "out_of_range", "must be from 0 to 1")
		}
	}
}
