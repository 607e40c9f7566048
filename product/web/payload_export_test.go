package web

import "vitrine/product"

// ShowPayload is how a list shows the beginning of a message of so many bytes.
func ShowPayload(payload []byte, whole int) (text, encoding string, truncated bool) {
	b := letterOf(product.DeadLetter{Payload: payload, PayloadBytes: whole})
	return b.Payload, b.PayloadEncoding, b.PayloadTruncated
}
