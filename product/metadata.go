package product

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// The bounds of metadata, in characters unless a name says keys.
const (
	maxMetadataKeys  = 50
	maxMetadataKey   = 64
	maxMetadataValue = 500
	maxExternalID    = 128
)

// Metadata is what a client keeps with a product for itself: up to 50 keys of 1
// to 64 characters, with values of up to 500. Nil is as good as empty.
type Metadata map[string]string

// Value gives the metadata to PostgreSQL.
func (m Metadata) Value() (driver.Value, error) {
	if m == nil {
		return "{}", nil
	}
	b, err := json.Marshal(map[string]string(m))
	return string(b), err
}

// Scan reads the metadata.
func (m *Metadata) Scan(src any) error {
	b, ok := src.([]byte)
	if !ok {
		return fmt.Errorf("metadata from %T", src)
	}
	*m = nil // a map is added to
	return json.Unmarshal(b, (*map[string]string)(m))
}

// MetadataPatch changes metadata as a merge patch does (RFC 7396): of Keys a nil
// value removes its key, and others are set. Clear removes everything first.
type MetadataPatch struct {
	Clear bool
	Keys  map[string]*string
}

// Apply gives m with the changes. It leaves m alone.
func (p MetadataPatch) Apply(m Metadata) Metadata {
	changed := Metadata{}
	if !p.Clear {
		maps.Copy(changed, m)
	}
	for key, value := range p.Keys {
		if value == nil {
			delete(changed, key)
		} else {
			changed[key] = *value
		}
	}
	return changed
}

// set gives what the patch sets. What it removes may have any name.
func (p MetadataPatch) set() Metadata { return MetadataPatch{Clear: true, Keys: p.Keys}.Apply(nil) }

// replaced is the patch that makes metadata equal to m.
func ReplaceMetadata(m Metadata) *MetadataPatch {
	p := MetadataPatch{Clear: true, Keys: make(map[string]*string, len(m))}
	for key, value := range m {
		p.Keys[key] = &value
	}
	return &p
}

func (f *FieldErrors) CheckMetadataSize(field string, m Metadata) {
	if len(m) > maxMetadataKeys {
		f.Add(field, "too_many", "must have at most %d keys, has %d", maxMetadataKeys, len(m))
	}
}

func (f *FieldErrors) metadata(field string, m Metadata) {
	if f.CheckMetadataSize(field, m); len(m) > maxMetadataKeys {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		var bad FieldErrors
		if bad.CheckText("", key, 1, maxMetadataKey, false); len(bad) > 0 {
			// A key like this is no good as a part of a pointer.
			f.Add(field, "invalid_key", "has a key that %s", bad[0].Detail)
			return
		}
		f.CheckText(field+"/"+PointerToken(key), m[key], 0, maxMetadataValue, true)
	}
}

// externalID checks an external id; empty stands for none.
func (f *FieldErrors) externalID(field, id string) {
	if id != "" {
		f.CheckText(field, id, 1, maxExternalID, false)
	}
}
