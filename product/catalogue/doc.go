// Package catalogue creates, reads, lists, changes and deletes products and their images.
// [Service.Write] is the only way to change a product.
//
// It imports product, postgres, outbox, event, upload and imaging, and no other package of
// the project. Begin with service.go; then follow a request: product_create.go,
// product_read.go, product_update.go, image_edit.go, removal.go, or list.go. write.go has
// the protocol that all changes share.
package catalogue
