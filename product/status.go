package product

// ImageStatus sums up the states of a product's images.
type ImageStatus string

// The states of all images together.
const (
	ImagesNone    ImageStatus = "none"    // there are no images
	ImagesPending ImageStatus = "pending" // some are not settled yet
	ImagesPartial ImageStatus = "partial" // some are ready, the others failed
	ImagesReady   ImageStatus = "ready"   // all are ready
	ImagesFailed  ImageStatus = "failed"  // all failed
)
