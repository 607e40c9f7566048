package product

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// The limits of metadata, in characters unless a name ends in Keys.
const (
	maxMetadataKeys  = 50
	maxMetadataKey   = 64
	maxMetadataValue = 500
	maxExternalID    = 128
)

// Metadata is data that a client stores with a product: up to 50 keys of 1 to 64
// characters with values of up to 500 characters. Nil is equivalent to empty.
type Metadata map[string]string

// Value implements [database/sql/driver.Valuer].
func (m Metadata) Value() (driver.Value, error) {
	if m == nil {
		return "{}", nil
	}
	b, err := json.Marshal(map[string]string(m))
	return string(b), err
}

// Scan implements [database/sql.Scanner].
func (m *Metadata) Scan(src any) error {
	b, ok := src.([]byte)
	if !ok {
		return fmt.Errorf("cannot read metadata from %T", src)
	}
	*m = nil // Unmarshal would keep the old keys
	return json.Unmarshal(b, (*map[string]string)(m))
}

// MetadataPatch changes metadata like a merge patch (RFC 7396). A nil value in Keys
// removes its key, any other sets it. Clear first removes all existing keys.
type MetadataPatch struct {
	Clear bool
	Keys  map[string]*string
}

// Apply returns a changed copy of m.
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

// set returns the keys that the patch sets. Only these are validated: a key to remove may
// have any name.
func (p MetadataPatch) set() Metadata { return MetadataPatch{Clear: true, Keys: p.Keys}.Apply(nil) }

// ReplaceMetadata returns the patch that makes metadata equal to m.
func ReplaceMetadata(m Metadata) *MetadataPatch {
	p := MetadataPatch{Clear: true, Keys: make(map[string]*string, len(m))}
	for key, value := range m {
		p.Keys[key] = &value
	}
	return &p
}

// CheckMetadataSize checks the number of keys.
func (f *FieldErrors) CheckMetadataSize(field string, m Metadata) {
	if len(m) > maxMetadataKeys {
		f.Add(field, "too_many", "must have at most %d keys, has %d", maxMetadataKeys, len(m))
	}
}

// metadata checks the number of keys, then each key and value.
func (f *FieldErrors) metadata(field string, m Metadata) {
	if f.CheckMetadataSize(field, m); len(m) > maxMetadataKeys {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		var bad FieldErrors
		if bad.CheckText("", key, 1, maxMetadataKey, false); len(bad) > 0 {
			// The pointer names the object, because such a key may not fit into it.
			f.Add(field, "invalid_key", "has an invalid key: a key %s", bad[0].Detail)
			return
		}
		f.CheckText(field+"/"+PointerToken(key), m[key], 0, maxMetadataValue, true)
	}
}

// externalID checks an external id; empty means none.
func (f *FieldErrors) externalID(field, id string) {
	if id != "" {
		f.CheckText(field, id, 1, maxExternalID, false)
	}
}
