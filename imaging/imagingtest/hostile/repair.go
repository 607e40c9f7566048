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

// Repair corrects the checksums of a PNG in place, as far as its chunk lengths are valid. A
// reader then meets the changes themselves and not only a wrong checksum.
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

// maxInflated bounds the work of [Repair].
const maxInflated = 1 << 20

// repairData corrects the checksum after the compressed pixels, which may lie in several
// chunks.
func repairData(file []byte) {
	var data []byte
	var from []int // the offset in the file of each byte of data
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
	if _, err := io.CopyN(sum, flate.NewReader(packed), maxInflated); !errors.Is(err, io.EOF) {
		return
	}
	for i, v := range sum.Sum(nil) {
		if end := len(data) - packed.Len() + i; end < len(data) {
			file[from[end]] = v
		}
	}
}
