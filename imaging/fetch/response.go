package fetch

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"vitrine/imaging"
)

// MaxRetryAfter bounds the wait that a source can ask for.
const MaxRetryAfter = time.Hour

// failed returns a permanent failure.
func failed(code imaging.Code, detail string, cause error) *imaging.Error {
	return &imaging.Error{Code: code, Stage: imaging.StageFetch, Detail: detail, Err: cause}
}

// transient returns a failure that a further attempt may not meet.
func transient(code imaging.Code, detail string, cause error) *imaging.Error {
	return &imaging.Error{Code: code, Stage: imaging.StageFetch, Detail: detail, Transient: true, Err: cause}
}

// connectError returns the reason why host did not respond.
func connectError(host string, err error) error {
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	var timeout net.Error
	switch {
	case errors.Is(err, ErrForbiddenAddress):
		return failed(imaging.CodeForbiddenAddress, fmt.Sprintf("%s has no public address", host), err)
	case errors.As(err, &dns) && dns.IsNotFound:
		return failed(imaging.CodeHostNotFound, fmt.Sprintf("the host %s does not exist", host), err)
	case errors.As(err, &dns):
		return transient(imaging.CodeHostNotFound, fmt.Sprintf("the host %s could not be resolved", host), err)
	case errors.As(err, &certificate):
		return failed(imaging.CodeConnectFailed, fmt.Sprintf("the certificate of %s is not valid", host), err)
	case errors.As(err, &timeout) && timeout.Timeout():
		return transient(imaging.CodeFetchTimeout, fmt.Sprintf("%s did not respond in time", host), err)
	}
	return transient(imaging.CodeConnectFailed, fmt.Sprintf("%s did not respond", host), err)
}

// checkResponse returns an error for a response whose header shows that it has no usable
// picture.
func (f *Fetcher) checkResponse(resp *http.Response) error {
	status := resp.StatusCode
	detail := fmt.Sprintf("the source responded with status %d", status)
	switch {
	case status == http.StatusOK || status == http.StatusNonAuthoritativeInfo:
	case status == http.StatusNotFound || status == http.StatusGone:
		return failed(imaging.CodeSourceNotFound, detail, nil)
	case status == http.StatusUnauthorized || status == http.StatusPaymentRequired ||
		status == http.StatusForbidden || status == http.StatusUnavailableForLegalReasons:
		return failed(imaging.CodeSourceDenied, detail, nil)
	case status == http.StatusTooManyRequests || status == http.StatusRequestTimeout ||
		status == http.StatusTooEarly || status >= 500:
		err := transient(imaging.CodeSourceUnavailable, detail, nil)
		err.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), time.Now())
		return err
	default:
		return failed(imaging.CodeSourceRejected, detail, nil)
	}
	if e := resp.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return failed(imaging.CodeSourceRejected, "the source responded with a content encoding that was not requested", nil)
	}
	if resp.ContentLength > f.cfg.MaxBytes {
		return bodyTooLarge(f.cfg.MaxBytes)
	}
	return nil
}

// maxDrain is the longest body that is read only so that its HTTP/1.1 connection can be
// reused. For a longer one a new connection is cheaper.
const maxDrain = 4 << 10

// drain closes a response whose content is not needed.
func drain(resp *http.Response) {
	if resp.ContentLength >= 0 && resp.ContentLength <= maxDrain {
		_, _ = io.CopyN(io.Discard, resp.Body, maxDrain) // reading to the end lets the connection be reused
	}
	_ = resp.Body.Close()
}

// retryAfter parses a Retry-After header, which holds seconds or a date (RFC 9110, section
// 10.2.3). It returns 0 if the header is missing, invalid or in the past.
func retryAfter(header string, now time.Time) time.Duration {
	header = strings.TrimSpace(header)
	if header == "" {
		return 0
	}
	if seconds, err := strconv.ParseInt(header, 10, 64); err == nil {
		seconds = min(max(seconds, 0), int64(MaxRetryAfter/time.Second))
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(header)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), MaxRetryAfter)
}
