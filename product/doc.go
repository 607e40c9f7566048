// Package product is the vocabulary of the catalogue: the inputs that create and change
// products and images with their validation, prices and metadata, snapshots and pages,
// the scope of a caller, the filter of a list with its cursors, and the errors that every
// product package returns.
//
// It imports package imaging alone. It contains no SQL and no HTTP; types that are stored
// implement Value and Scan.
//
// Begin with product.go for the types and errors.go for the errors. Limits on fields are
// in validate.go, prices in price.go.
package product
