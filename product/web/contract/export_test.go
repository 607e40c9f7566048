package contract

// SchemaExample returns the example of a schema on its page.
func SchemaExample(name string) string {
	d := Load()
	return d.exampleText(d.root.child("components").child("schemas").child(name))
}
