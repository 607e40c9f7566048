// Package upload receives the files of clients: directly, through a presigned form of the
// object store, or through the API. It records each upload and keeps it while an image
// names it.
//
// It imports packages imaging, product and product/postgres.
//
// Begin with [Service] in upload.go; upload_row.go has the table and [Purge].
package upload
