package cluster

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// Link is a proxy between one replica and one server. It injects network faults.
type Link struct {
	proxy  *toxiproxy.Proxy
	toxics []string
}

// newLink starts a proxy to the address on a free port of loopback.
func newLink(server *toxiproxy.ApiServer, name, upstream string) (*Link, error) {
	l := &Link{proxy: toxiproxy.NewProxy(server, name, "127.0.0.1:0", upstream)}
	if err := l.proxy.Start(); err != nil {
		return nil, fmt.Errorf("link %s: %w", name, err)
	}
	return l, nil
}

func newToxiproxy() *toxiproxy.ApiServer {
	return toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
}

// Addr returns the address at which the replica reaches the server.
func (l *Link) Addr() string { return l.proxy.Listen }

// Latency delays both directions; a round trip takes ms milliseconds longer.
func (l *Link) Latency(ms, jitter int) error {
	attributes := fmt.Sprintf(`{"latency":%d,"jitter":%d}`, ms/2, jitter/2)
	if err := l.add("upstream", "latency", attributes); err != nil {
		return err
	}
	return l.add("downstream", "latency", attributes)
}

// Reset resets every connection, open ones and new ones.
func (l *Link) Reset() error { return l.add("downstream", "reset_peer", `{"timeout":0}`) }

// BlackHole drops everything in both directions and keeps the connections open.
func (l *Link) BlackHole() error {
	if err := l.add("upstream", "timeout", `{"timeout":0}`); err != nil {
		return err
	}
	return l.add("downstream", "timeout", `{"timeout":0}`)
}

func (l *Link) add(stream, kind, attributes string) error {
	name := kind + "-" + stream
	toxic := fmt.Sprintf(`{"name":%q,"type":%q,"stream":%q,"toxicity":1,"attributes":%s}`, name, kind, stream, attributes)
	if _, err := l.proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
		return fmt.Errorf("toxic %s: %w", name, err)
	}
	l.toxics = append(l.toxics, name)
	return nil
}

// Heal removes all injected faults.
func (l *Link) Heal(ctx context.Context) error {
	for _, name := range l.toxics {
		if err := l.proxy.Toxics.RemoveToxic(ctx, name); err != nil {
			return fmt.Errorf("toxic %s: %w", name, err)
		}
	}
	l.toxics = nil
	return nil
}

func (l *Link) close() { l.proxy.Stop() }

// hostOf returns the host and port of the URL.
func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Host
}

// withHost returns the URL with another host and port.
func withHost(raw, host string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	u.Host = host
	return u.String()
}
