package config

import (
	"fmt"
	"io"
	"net/url"
	"reflect"
	"strings"
	"text/tabwriter"
)

// field describes one setting, from the tags of its field in Config.
type field struct {
	name, fallback, help string
	secret               bool
	index                int
}

func fields() []field {
	t := reflect.TypeFor[Config]()
	all := make([]field, 0, t.NumField())
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		all = append(all, field{
			name: tag.Get("env"), fallback: tag.Get("envDefault"), help: tag.Get("help"),
			secret: tag.Get("secret") == "true", index: i,
		})
	}
	return all
}

// Print writes the effective settings as KEY=VALUE lines with secrets masked.
func (c Config) Print(w io.Writer) error {
	for _, f := range fields() {
		if _, err := fmt.Fprintf(w, "%s=%s\n", f.name, c.show(f)); err != nil {
			return err
		}
	}
	return nil
}

func (c Config) show(f field) string {
	value := reflect.ValueOf(c).Field(f.index)
	if value.Kind() != reflect.Slice {
		return mask(f, fmt.Sprint(value.Interface()))
	}
	parts := make([]string, value.Len())
	for i := range parts {
		parts[i] = mask(f, fmt.Sprint(value.Index(i).Interface()))
	}
	return strings.Join(parts, ",")
}

// mask hides a secret. Of a URL it keeps the scheme, host and path.
func mask(f field, value string) string {
	if !f.secret || value == "" {
		return value
	}
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || u.Fragment != "" { // a fragment may be part of a password
		return "***"
	}
	user := ""
	if u.User != nil {
		user = "***@"
	}
	return u.Scheme + "://" + user + u.Host + u.Path
}

// PrintTable writes the table of settings in Markdown.
func PrintTable(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 1, ' ', tabwriter.Debug)
	fmt.Fprintln(tw, "\t variable\t default\t what it is\t")
	fmt.Fprintln(tw, "\t ---\t ---\t ---\t")
	for _, f := range fields() {
		fallback := f.fallback
		if fallback != "" {
			fallback = "`" + fallback + "`"
		}
		help := f.help
		if f.secret {
			help += " (secret)"
		}
		fmt.Fprintf(tw, "\t `%s`\t %s\t %s\t\n", f.name, fallback, help)
	}
	return tw.Flush()
}
