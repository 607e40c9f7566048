package fetch

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"vitrine/imaging"
)

// checkURL returns an error for a URL whose host must not even be resolved.
func (f *Fetcher) checkURL(u *url.URL) error {
	host := u.Hostname()
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return failed(imaging.CodeInvalidURL, "only http and https URLs are allowed", nil)
	case host == "" || u.Opaque != "":
		return failed(imaging.CodeInvalidURL, "the URL has no host", nil)
	case u.User != nil:
		return failed(imaging.CodeInvalidURL, "the URL must not contain a user name", nil)
	}
	if port := u.Port(); port != "" {
		n, err := strconv.Atoi(port)
		if err != nil || n < 1 || n > 65535 {
			return failed(imaging.CodeInvalidURL, "the URL's port must be a number from 1 to 65535", nil)
		}
		if n != 80 && n != 443 && !slices.Contains(f.cfg.AllowPorts, n) {
			return failed(imaging.CodeForbiddenPort, fmt.Sprintf("port %d is not allowed; only 80 and 443 are", n), nil)
		}
	}
	addr, err := netip.ParseAddr(host)
	if err == nil {
		if err := CheckAddress(addr, f.cfg.AllowCIDRs); err != nil {
			return failed(imaging.CodeForbiddenAddress, fmt.Sprintf("%s is not a public address", addr), err)
		}
		return nil
	}
	if endsInNumber(host) {
		return failed(imaging.CodeInvalidURL, "the URL's host is a number but not an IPv4 address in dotted decimal form", nil)
	}
	return nil
}

// endsInNumber reports whether a host can only mean an IPv4 address (WHATWG URL, "ends in a
// number checker"). Resolvers disagree about spellings such as 2130706433 and 0x7f.1, so
// they never see them.
func endsInNumber(host string) bool {
	host = strings.TrimSuffix(host, ".")
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last == "" {
		return false
	}
	if strings.Trim(last, "0123456789") == "" {
		return true
	}
	digits, isHex := strings.CutPrefix(strings.ToLower(last), "0x")
	return isHex && strings.Trim(digits, "0123456789abcdef") == ""
}
