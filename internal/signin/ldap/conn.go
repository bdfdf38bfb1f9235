package ldap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
)

const (
	maxMessage = 1 << 20 // bytes of one message from a server
	maxBytes   = 4 << 20 // bytes from a server in one sign-in
)

// The library allocates what a message says it is long; its own bound is 2 GiB. It has
// no setting for one connection, and nothing else here reads BER.
func init() { ber.MaxPacketLengthBytes = maxMessage }

// unreachable reports whether another server may know more: this one has given no
// result. The library has numbers from 200 on for what went wrong here.
func unreachable(err error) bool {
	var result *goldap.Error
	switch {
	case errors.Is(err, ErrBadCredentials):
		return false
	case errors.Is(err, errUnsafe):
		return true
	}
	return !errors.As(err, &result) || result.ResultCode >= goldap.ErrorNetwork
}

// errUnsafe marks a connection that could not be encrypted.
var errUnsafe = errors.New("no safe connection")

// conn is one connection. It ends with the context it is lent to, which frees everything
// that waits for it.
type conn struct {
	*goldap.Conn
	raw    *bounded
	made   time.Time
	stop   func() bool // takes it back from the context; false if that has ended
	expiry *time.Timer // of an idle one
}

func (c *conn) Close() {
	c.stop()
	c.Conn.Close()
}

// lend gives the connection to one sign-in, whose context must have a deadline.
func (c *conn) lend(ctx context.Context) {
	c.raw.left.Store(maxBytes)
	c.stop = context.AfterFunc(ctx, func() { c.raw.Close() })
}

// dial connects and encrypts. The connection is lent to ctx, which must have a deadline.
func dial(ctx context.Context, s server) (*conn, error) {
	var dialer net.Dialer
	raw, err := dialer.DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	c := &conn{raw: &bounded{Conn: raw}, made: time.Now()}
	c.lend(ctx)
	if c.Conn, err = speak(ctx, s, c.raw); err != nil {
		c.stop()
		raw.Close()
		return nil, err
	}
	return c, nil
}

func speak(ctx context.Context, s server, raw net.Conn) (*goldap.Conn, error) {
	if s.tls != nil && !s.start {
		encrypted := tls.Client(raw, s.tls)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			return nil, fmt.Errorf("checking the server's certificate: %w", err)
		}
		raw = encrypted
	}
	c := goldap.NewConn(raw, s.tls != nil && !s.start)
	c.Start()
	if s.start {
		if err := c.StartTLS(s.tls); err != nil {
			c.Close()
			return nil, fmt.Errorf("%w: starting TLS: %w", errUnsafe, err)
		}
	}
	return c, nil
}

// bounded ends a connection that brings too much.
type bounded struct {
	net.Conn
	left atomic.Int64
}

var errTooMuch = errors.New("the server sent more than a sign-in needs")

func (b *bounded) Read(p []byte) (int, error) {
	left := b.left.Load()
	if left <= 0 {
		return 0, errTooMuch
	}
	n, err := io.LimitReader(b.Conn, left).Read(p)
	b.left.Add(-int64(n))
	return n, err
}
