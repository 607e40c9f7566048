package imaging

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
)

// maxRetryAfter bounds how long a source can make its picture wait.
const maxRetryAfter = time.Hour

func failed(code Code, detail string, cause error) *Error {
	return &Error{Code: code, Stage: StageFetch, Detail: detail, Err: cause}
}

func transient(code Code, detail string, cause error) *Error {
	return &Error{Code: code, Stage: StageFetch, Detail: detail, Transient: true, Err: cause}
}

// connectError says why no answer came from host.
func connectError(host string, err error) error {
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	var timeout net.Error
	switch {
	case errors.Is(err, ErrForbiddenAddress):
		return failed(CodeForbiddenAddress, fmt.Sprintf("%s has no public address", host), err)
	case errors.As(err, &dns) && dns.IsNotFound:
		return failed(CodeHostNotFound, fmt.Sprintf("the host %s does not exist", host), err)
	case errors.As(err, &dns):
		return transient(CodeHostNotFound, fmt.Sprintf("the host %s could not be looked up", host), err)
	case errors.As(err, &certificate):
		return failed(CodeConnectFailed, fmt.Sprintf("the certificate of %s is not valid", host), err)
	case errors.As(err, &timeout) && timeout.Timeout():
		return transient(CodeFetchTimeout, fmt.Sprintf("%s did not answer in time", host), err)
	}
	return transient(CodeConnectFailed, fmt.Sprintf("no answer could be had from %s", host), err)
}

// acceptable judges an answer by its header.
func (f *Fetcher) acceptable(resp *http.Response) error {
	status := resp.StatusCode
	detail := fmt.Sprintf("the source answered with status %d", status)
	switch {
	case status == http.StatusOK || status == http.StatusNonAuthoritativeInfo:
	case status == http.StatusNotFound || status == http.StatusGone:
		return failed(CodeSourceNotFound, detail, nil)
	case status == http.StatusUnauthorized || status == http.StatusPaymentRequired ||
		status == http.StatusForbidden || status == http.StatusUnavailableForLegalReasons:
		return failed(CodeSourceDenied, detail, nil)
	case status == http.StatusTooManyRequests || status == http.StatusRequestTimeout ||
		status == http.StatusTooEarly || status >= 500:
		err := transient(CodeSourceUnavailable, detail, nil)
		err.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), time.Now())
		return err
	default:
		return failed(CodeSourceRejected, detail, nil)
	}
	if e := resp.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return failed(CodeSourceRejected, "the source answered with an encoding that was not asked for", nil)
	}
	if resp.ContentLength > f.cfg.MaxBytes {
		return bodyTooLarge(f.cfg.MaxBytes)
	}
	return nil
}

// drained is how much of an answer without a picture is read so that its
// connection can serve the next request (HTTP/1.1); for more, a new one is cheaper.
const drained = 4 << 10

// drain ends an answer whose content is of no interest.
func drain(resp *http.Response) {
	if resp.ContentLength >= 0 && resp.ContentLength <= drained {
		_, _ = io.CopyN(io.Discard, resp.Body, drained) // its end shows whether the connection can be kept
	}
	_ = resp.Body.Close()
}

// retryAfter reads the header's two forms, seconds and a date (RFC 9110, section
// 10.2.3); zero where it is missing, in the past or unreadable.
func retryAfter(header string, now time.Time) time.Duration {
	header = strings.TrimSpace(header)
	if header == "" {
		return 0
	}
	if seconds, err := strconv.ParseInt(header, 10, 64); err == nil {
		seconds = min(max(seconds, 0), int64(maxRetryAfter/time.Second))
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(header)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}
