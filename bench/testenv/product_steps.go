package testenv

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"vitrine/product"
	"vitrine/product/postgres"
)

const (
	// UnknownID is an id that no user or product has.
	UnknownID = 1 << 40
	// Source is the URL of an image that no test downloads.
	Source = "https://a.example/1.png"
)

// SomeTime is a value for times that a test does not check.
var SomeTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// Product is the part of a product's JSON that tests read.
type Product struct {
	ID          int64       `json:"id"`
	Name        string      `json:"product_name"`
	Sources     []string    `json:"product_images"`
	Compressed  []string    `json:"compressed_product_images"`
	Price       json.Number `json:"product_price"`
	Images      []Image     `json:"images"`
	ImageStatus string      `json:"image_status"`
	Version     int64       `json:"version"`
}

// Image is the part of an image's JSON that tests read.
type Image struct {
	ID       uuid.UUID `json:"id"`
	Position int       `json:"position"`
	Source   string    `json:"source"`
	Alt      *string   `json:"alt"`
	Status   string    `json:"status"`
	Attempts int       `json:"attempts"`
	URL      *string   `json:"url"`
	Error    *struct {
		Code      string `json:"code"`
		Detail    string `json:"detail"`
		Retryable bool   `json:"retryable"`
	} `json:"error"`
}

// Decode parses the JSON of a product.
func Decode(t testing.TB, data []byte) Product {
	t.Helper()
	var p Product
	if err := json.Unmarshal(data, &p); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	return p
}

// Price parses an amount.
func Price(t testing.TB, amount string) product.Price {
	t.Helper()
	p, err := product.ParsePrice(amount)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ImageIDs returns the ids of images.
func ImageIDs(images []Image) []uuid.UUID {
	list := make([]uuid.UUID, len(images))
	for i, image := range images {
		list[i] = image.ID
	}
	return list
}

// AddUser stores a second user.
func (e *Environment) AddUser() (id int64) {
	e.T.Helper()
	e.Scan(&id, `INSERT INTO users (name, email) VALUES ('Eve', $1) RETURNING id`, uuid.NewString()+"@example.org")
	return id
}

// AddProduct stores a product without images and returns its id.
func (e *Environment) AddProduct(name, amount string) int64 {
	e.T.Helper()
	s, err := e.Create(e.T.Context(), product.NewProduct{UserID: e.User, Name: name, Price: Price(e.T, amount)})
	if err != nil {
		e.T.Fatal(err)
	}
	return s.ID
}

// NewProduct stores a product with images.
func (e *Environment) NewProduct(sources ...string) Product {
	e.T.Helper()
	s, err := e.Create(e.T.Context(), product.NewProduct{
		UserID: e.User, Name: "Lamp", Description: "bright", Price: Price(e.T, "12.50"), Images: sources,
	})
	if err != nil {
		e.T.Fatal(err)
	}
	return Decode(e.T, s.Data)
}

// Product reads a product of the environment's user.
func (e *Environment) Product(id int64) Product {
	e.T.Helper()
	s, err := e.Get(e.T.Context(), product.Everything(), id)
	if err != nil {
		e.T.Fatal(err)
	}
	p := Decode(e.T, s.Data)
	if p.ID != id || p.Version != s.Version || s.Owner != e.User {
		e.T.Fatalf("snapshot %d %d %d of %s", s.ID, s.Owner, s.Version, s.Data)
	}
	return p
}

// SetImages replaces the images of a product.
func (e *Environment) SetImages(id int64, sources ...string) Product {
	e.T.Helper()
	s, err := e.Patch(e.T.Context(), product.Everything(), id, product.Patch{Images: &sources}, product.Precondition{})
	if err != nil {
		e.T.Fatal(err)
	}
	p := Decode(e.T, s.Data)
	for i, image := range p.Images {
		if image.Position != i || image.Source != sources[i] || p.Sources[i] != sources[i] {
			e.T.Fatalf("%+v, want %v", p, sources)
		}
	}
	if len(p.Images) != len(sources) {
		e.T.Fatalf("%d images, want %d", len(p.Images), len(sources))
	}
	return p
}

// AddImage adds an image to a product.
func (e *Environment) AddImage(id int64, n product.NewImage) Image {
	e.T.Helper()
	s, _, err := e.AddImageOnce(e.T.Context(), product.Everything(), id, n, product.Precondition{}, postgres.Idempotency{})
	if err != nil {
		e.T.Fatal(err)
	}
	return e.CheckImage(id, s)
}

// CheckImage checks that the product and the image's own route show the image as s does.
func (e *Environment) CheckImage(id int64, s product.ImageSnapshot) Image {
	e.T.Helper()
	var image Image
	if err := json.Unmarshal(s.Data, &image); err != nil || image.ID != s.ID {
		e.T.Fatalf("%v: %s of %s", err, s.Data, s.ID)
	}
	p := e.Product(id)
	if diff := cmp.Diff(p.Images[image.Position], image); diff != "" || s.Version != p.Version {
		e.T.Fatalf("version %d in version %d (-product +image):\n%s", s.Version, p.Version, diff)
	}
	read, err := e.Image(e.T.Context(), product.Everything(), id, image.ID, s.Version)
	if err != nil || string(read.Data) != string(s.Data) || read.Version != s.Version {
		e.T.Fatalf("read %s in version %d, %v; was %s", read.Data, read.Version, err, s.Data)
	}
	return image
}

// SetFocal sets the focal point of a product's first image; nil is the centre.
func (e *Environment) SetFocal(p Product, focal *product.Focal) {
	e.T.Helper()
	patch := product.ImagePatch{Focal: focal, NoFocal: focal == nil}
	if _, err := e.PatchImage(e.T.Context(), product.Everything(), p.ID, p.Images[0].ID, patch, product.Precondition{}); err != nil {
		e.T.Fatal(err)
	}
}

// ListNames lists products and returns their names.
func (e *Environment) ListNames(f product.Filter) ([]string, product.Page) {
	e.T.Helper()
	page, err := e.List(e.T.Context(), product.Everything(), f)
	if err != nil {
		e.T.Fatal(err)
	}
	names := []string{}
	for _, item := range page.Items {
		names = append(names, Decode(e.T, item).Name)
	}
	if page.HasMore != (page.Next != "") {
		e.T.Errorf("has more: %t, next %q", page.HasMore, page.Next)
	}
	return names, page
}

// PageIDs returns the ids of a page's products.
func (e *Environment) PageIDs(page product.Page) []int64 {
	e.T.Helper()
	ids := make([]int64, len(page.Items))
	for i, item := range page.Items {
		ids[i] = Decode(e.T, item).ID
	}
	return ids
}

// RenameToTorch returns a function that changes the name of a product to Torch.
func RenameToTorch(r *Replica, id int64) func(context.Context) error {
	return func(ctx context.Context) error {
		name := "Torch"
		return ErrOf(r.Patch(ctx, product.Everything(), id, product.Patch{Name: &name}, product.Precondition{}))
	}
}
