package resize

// ScalePlain is Scale without vector instructions.
func ScalePlain(dst []byte, stride int, src Source, x, y Axis) {
	scale(newScaler(dst, stride, src.Channels, x, y, false), src)
}
