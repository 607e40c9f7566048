package explore

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"time"
)

const typeEvents = "text/event-stream"

// streamTime and streamLines bound how much of a stream is read.
const (
	streamTime  = 200 * time.Millisecond
	streamLines = 60
)

// readEvents reads the beginning of a stream, which does not end by itself, and checks
// its events against the document.
func (w *worker) readEvents(body io.ReadCloser) ([]byte, error) {
	end := time.AfterFunc(streamTime, func() { _ = body.Close() })
	defer end.Stop()
	var text bytes.Buffer
	lines := bufio.NewScanner(body)
	for n := 0; n < streamLines && lines.Scan(); n++ {
		text.WriteString(lines.Text() + "\n")
		if data, found := strings.CutPrefix(lines.Text(), "data: "); found {
			if err := w.contract.CheckEvent([]byte(data)); err != nil {
				w.violation("GET /events: %v", err)
			}
		}
	}
	return text.Bytes(), nil // being cut off is not an error
}
