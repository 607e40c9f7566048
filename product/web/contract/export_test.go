package contract

// SchemaExample is what the page shows as an example of a schema.
func SchemaExample(name string) string {
	d := Load()
	return d.exampleText(d.root.child("components").child("schemas").child(name))
}
