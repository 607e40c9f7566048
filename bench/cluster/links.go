package cluster

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// Link is the way from one replica to one server. Faults of the network are
// injected here.
type Link struct {
	proxy  *toxiproxy.Proxy
	toxics []string
}

// newLink makes a way to the address, on a free port of loopback.
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

// Addr is where the replica finds the server.
func (l *Link) Addr() string { return l.proxy.Listen }

// Latency delays everything in both directions; the round trip takes ms longer.
func (l *Link) Latency(ms, jitter int) error {
	attributes := fmt.Sprintf(`{"latency":%d,"jitter":%d}`, ms/2, jitter/2)
	if err := l.add("upstream", "latency", attributes); err != nil {
		return err
	}
	return l.add("downstream", "latency", attributes)
}

// Reset breaks connections off, those that are open and new ones.
func (l *Link) Reset() error { return l.add("downstream", "reset_peer", `{"timeout":0}`) }

// BlackHole lets nothing through, and tells nobody.
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

// Heal ends whatever was injected.
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

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Host
}

// withHost returns the URL with another address.
func withHost(raw, host string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	u.Host = host
	return u.String()
}
