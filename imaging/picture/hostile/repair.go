package hostile

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"hash/adler32"
	"hash/crc32"
	"io"
)

// Repair makes the checksums of a PNG right, in place, as far as its lengths lead: a reader then gets to see what was
// changed, and not only that something was.
func Repair(file []byte) {
	repairData(file)
	for at := 8; at+12 <= len(file); {
		size := int(binary.BigEndian.Uint32(file[at:]))
		if size > len(file)-at-12 {
			return
		}
		binary.BigEndian.PutUint32(file[at+8+size:], crc32.ChecksumIEEE(file[at+4:at+8+size]))
		at += 12 + size
	}
}

// mostInflated bounds the work of [Repair].
const mostInflated = 1 << 20

// repairData makes the sum behind the compressed pixels right, wherever the pieces of them are.
func repairData(file []byte) {
	var data []byte
	var from []int // offset in the file of each byte of data
	for at := 8; at+12 <= len(file); {
		size := int(binary.BigEndian.Uint32(file[at:]))
		if size > len(file)-at-12 {
			break
		}
		if string(file[at+4:at+8]) == "IDAT" {
			for i := range size {
				data, from = append(data, file[at+8+i]), append(from, at+8+i)
			}
		}
		at += 12 + size
	}
	const head = 2
	if len(data) < head {
		return
	}
	packed := bytes.NewReader(data[head:])
	sum := adler32.New()
	if _, err := io.CopyN(sum, flate.NewReader(packed), mostInflated); !errors.Is(err, io.EOF) {
		return
	}
	for i, v := range sum.Sum(nil) {
		if end := len(data) - packed.Len() + i; end < len(data) {
			file[from[end]] = v
		}
	}
}
