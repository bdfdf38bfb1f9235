package ldap

import (
	"sync"
	"time"
)

const (
	maxIdle  = 4               // connections kept for a server
	idleFor  = time.Minute     // how long one is kept unused
	maxInUse = 5 * time.Minute // how old one may be: a change of bind_dn's rights is seen then
)

// pool keeps connections to one server on which only the search account, or nobody, has
// signed in. One on which a person has signed in never comes here.
type pool struct {
	mu     sync.Mutex
	idle   []*conn // oldest first
	closed bool
}

// take returns a connection that was in order when last seen, or nil.
func (p *pool) take() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) > 0 {
		c := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		if c.expiry.Stop() && !c.IsClosing() {
			return c
		}
		c.Close()
	}
	return nil
}

// put keeps a connection for the next search, or closes it.
func (p *pool) put(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !c.stop() || c.IsClosing() || p.closed || len(p.idle) >= maxIdle || time.Since(c.made) >= maxInUse {
		c.Close()
		return
	}
	c.expiry = time.AfterFunc(idleFor, func() { c.Close() })
	p.idle = append(p.idle, c)
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range p.idle {
		c.Close()
	}
	p.idle = nil
}
