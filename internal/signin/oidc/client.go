package oidc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

const (
	maxTime   = 10 * time.Second // for one request, and for one Finish
	maxPhase  = 5 * time.Second  // to connect, and to shake hands
	maxAnswer = 1 << 20          // bytes
	maxHeader = 64 << 10         // bytes
)

// newClient returns a client that follows no redirect, reads bounded answers in bounded
// time, and speaks to public addresses only; if the issuer is the operator's own, to the
// issuer's host and port too, wherever that is. It uses no proxy: a proxy would look names
// up for itself.
func newClient(issuer *url.URL, own bool) *http.Client {
	allowed := ""
	if own {
		allowed = hostPort(issuer)
	}
	return &http.Client{Timeout: maxTime, Transport: careful{&http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			dialer := net.Dialer{Timeout: maxPhase}
			if addr != allowed {
				dialer.Control = publicOnly
			}
			return dialer.DialContext(ctx, network, addr)
		},
		TLSHandshakeTimeout:    maxPhase,
		MaxResponseHeaderBytes: maxHeader,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        time.Minute,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
	}}}
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// publicOnly refuses to connect to an address that is not public. It sees the address that
// is really dialled, so a name that changes its address meanwhile gains nothing.
func publicOnly(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("reading the address %s: %w", address, err)
	}
	if !public(at.Addr()) {
		return fmt.Errorf("%w: %s", errPrivate, at.Addr())
	}
	return nil
}

var errPrivate = errors.New("the address is not a public one")

// nat64 stands for the IPv4 address in its last four bytes (RFC 6052 §2.1).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// notPublic are the special networks that netip has no words for (RFC 6890 and its registries).
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("2001::/23"),
	netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("3fff::/20"), netip.MustParsePrefix("5f00::/16"),
	netip.MustParsePrefix("fec0::/10"),
}

func public(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	if nat64.Contains(ip) {
		b := ip.As16()
		ip = netip.AddrFrom4([4]byte(b[12:]))
	}
	for _, p := range notPublic {
		if p.Contains(ip) {
			return false
		}
	}
	return ip.IsGlobalUnicast() && !ip.IsPrivate() // loopback, link-local and multicast are not global unicast
}

// careful bounds answers. A redirect is an error, and so is any failure to answer a GET.
type careful struct{ next http.RoundTripper }

var (
	errRedirect = errors.New("it answered with a redirect, which is not followed")
	errTooLong  = errors.New("its answer is longer than 1 MiB")
)

func (c careful) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		err = errRedirect
	case r.Method == http.MethodGet && resp.StatusCode != http.StatusOK:
		err = fmt.Errorf("it answered with status %d", resp.StatusCode)
	default:
		resp.Body = &bounded{resp.Body, maxAnswer}
		return resp, nil
	}
	resp.Body.Close()
	return nil, err
}

type bounded struct {
	io.ReadCloser
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, errTooLong
	}
	n, err := io.LimitReader(b.ReadCloser, b.left+1).Read(p) // one more, to see that there is more
	b.left -= int64(n)
	if b.left < 0 {
		return 0, errTooLong
	}
	return n, err
}
