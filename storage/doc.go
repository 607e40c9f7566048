// Package storage stores objects in one bucket of an S3 server: AWS, MinIO or any
// other server with that API.
//
// Objects under [PublicPrefix] are public at [Store.URL], but cannot be listed. Other
// objects are private. Clients can store an object only with a form that
// [Store.PresignPost] returned.
//
// The package knows keys and bytes and imports no other package of the project. Begin
// reading with storage.go, then object.go (objects), upload.go (clients' files) and
// bucket.go (the bucket and its policy).
package storage
