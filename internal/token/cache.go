package token

import (
	"crypto/sha256"
	"encoding/binary"
	"io"
	"sync"
)

// cacheSize is how many verified tokens each of the two generations holds.
const cacheSize = 1 << 14

// cache remembers tokens whose signature was good. It is keyed by the hash of
// the whole token, its service and the version of the key rings, so that a
// change of keys makes every entry unreachable. Times and revocation are not
// remembered: they are looked at on every hit.
type cache struct {
	mu       sync.RWMutex
	new, old map[[32]byte]Claims // old is dropped when new is full
}

func newCache() *cache { return &cache{new: map[[32]byte]Claims{}} }

func (c *cache) key(service, token string, version uint64) [32]byte {
	h := sha256.New()
	var v [8]byte
	binary.BigEndian.PutUint64(v[:], version)
	h.Write(v[:])
	io.WriteString(h, service)
	h.Write([]byte{0}) // no service name contains it
	io.WriteString(h, token)
	return [32]byte(h.Sum(nil))
}

func (c *cache) get(k [32]byte) (Claims, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if v, ok := c.new[k]; ok {
		return v, true
	}
	v, ok := c.old[k]
	return v, ok
}

func (c *cache) put(k [32]byte, v Claims) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.new) >= cacheSize {
		c.old, c.new = c.new, map[[32]byte]Claims{}
	}
	c.new[k] = v
}
