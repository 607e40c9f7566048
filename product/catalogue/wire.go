package catalogue

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"vitrine/imaging"
	"vitrine/product"
	"vitrine/product/postgres"
)

// wireProduct is the JSON of a product, in the order that clients see.
type wireProduct struct {
	ID          int64               `json:"id"`
	UserID      int64               `json:"user_id"`
	Name        string              `json:"product_name"`
	Description string              `json:"product_description"`
	Sources     []string            `json:"product_images"`
	Compressed  []string            `json:"compressed_product_images"`
	Price       product.Price       `json:"product_price"`
	Images      []wireImage         `json:"images"`
	ImageStatus product.ImageStatus `json:"image_status"`
	Metadata    product.Metadata    `json:"metadata"`
	ExternalID  *string             `json:"external_id"`
	Version     int64               `json:"version"`
	CreatedAt   product.Timestamp   `json:"created_at"`
	UpdatedAt   product.Timestamp   `json:"updated_at"`
}

type wireImage struct {
	ID           uuid.UUID      `json:"id"`
	Position     int            `json:"position"`
	Source       string         `json:"source"`
	Alt          *string        `json:"alt"`
	Focal        *product.Focal `json:"focal"`
	Status       imaging.Status `json:"status"`
	Error        *wireError     `json:"error"`
	URL          *string        `json:"url"`
	Width        *int           `json:"width"`
	Height       *int           `json:"height"`
	Bytes        *int64         `json:"bytes"`
	Format       *string        `json:"format"`
	Placeholder  *string        `json:"placeholder"`
	AverageColor *string        `json:"average_color"`
	Animated     bool           `json:"animated"`
	Variants     []wireVariant  `json:"variants"`
	Attempts     int            `json:"attempts"`
}

type wireError struct {
	Code      string `json:"code"`
	Detail    string `json:"detail"`
	Retryable bool   `json:"retryable"`
}

type wireVariant struct {
	Name   string `json:"name"`
	URL    string `json:"url"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
	Bytes  int64  `json:"bytes"`
	Format string `json:"format"`
}

// encode gives the JSON that clients see.
func (s *Service) encode(p productRow, images []ImageRow) ([]byte, error) {
	w := wireProduct{
		ID: p.ID, UserID: p.UserID, Name: p.Name, Description: p.Description,
		Sources: append([]string{}, p.Images...), Price: p.Price,
		Images: make([]wireImage, len(images)), ImageStatus: summarize(images),
		Metadata: p.Metadata, ExternalID: postgres.NullToNil(p.ExternalID),
		Version: p.Version, CreatedAt: product.Timestamp(p.CreatedAt), UpdatedAt: product.Timestamp(p.UpdatedAt),
	}
	for _, key := range p.Compressed {
		w.Compressed = append(w.Compressed, s.url(key))
	}
	for i := range images {
		w.Images[i] = s.wireImage(&images[i])
	}
	return encodeJSON(w)
}

// encodeJSON gives the JSON of what clients see.
func encodeJSON(w any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // URLs stay readable
	if err := e.Encode(w); err != nil {
		return nil, fmt.Errorf("encode %T: %w", w, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func (s *Service) wireImage(r *ImageRow) wireImage {
	w := wireImage{
		ID: r.ID, Position: r.Position, Source: r.Source, Alt: postgres.NullToNil(r.Alt), Focal: (*product.Focal)(r.Point()), Status: r.Status, Attempts: r.Attempts, Animated: r.Animated,
		Placeholder: postgres.NullToNil(r.Placeholder), AverageColor: postgres.NullToNil(r.AverageColor), Variants: []wireVariant{},
	}
	if r.ErrorCode.Valid {
		w.Error = &wireError{r.ErrorCode.String, r.ErrorDetail.String, r.ErrorRetryable.Bool}
	}
	main := r.main()
	if main == nil {
		return w
	}
	url := s.url(main.Key)
	w.URL, w.Width, w.Height, w.Bytes, w.Format = &url, &main.Width, &main.Height, &main.Bytes, &main.Format
	for _, v := range r.Variants {
		w.Variants = append(w.Variants, wireVariant{v.Name, s.url(v.Key), v.Width, v.Height, v.Bytes, v.Format})
	}
	return w
}

// summarize gives the state of all images together.
func summarize(images []ImageRow) product.ImageStatus {
	ready, failed := 0, 0
	for i := range images {
		switch images[i].Status {
		case imaging.Ready:
			ready++
		case imaging.Failed:
			failed++
		}
	}
	switch {
	case len(images) == 0:
		return product.ImagesNone
	case ready+failed < len(images):
		return product.ImagesPending
	case failed == 0:
		return product.ImagesReady
	case ready == 0:
		return product.ImagesFailed
	}
	return product.ImagesPartial
}
