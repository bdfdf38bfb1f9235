package token

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
)

// cacheSize is how many verified tokens each of the two generations holds.
const cacheSize = 1 << 14

// cache remembers tokens whose signature was good. It is keyed by the hash of
// the whole token, its service and the version of the key rings, so that a
// change of keys makes every entry unreachable, and drops them all. Times and
// revocation are not remembered: they are looked at on every hit.
type cache struct {
	mu       sync.RWMutex
	version  uint64              // of the key rings under which all entries were made
	new, old map[[32]byte]Claims // old is dropped when new is full
}

func newCache() *cache { return &cache{new: map[[32]byte]Claims{}} }

func (c *cache) key(service, token string, version uint64) [32]byte {
	var room [2 << 10]byte // so that ordinary tokens are hashed without an allocation
	b := binary.BigEndian.AppendUint64(room[:0], version)
	b = append(b, service...)
	b = append(b, 0) // no service name contains it
	b = append(b, token...)
	return sha256.Sum256(b)
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

// put takes the version that k was made with.
func (c *cache) put(k [32]byte, v Claims, version uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case version != c.version:
		c.old, c.new, c.version = nil, map[[32]byte]Claims{}, version
	case len(c.new) >= cacheSize:
		c.old, c.new = c.new, map[[32]byte]Claims{}
	}
	c.new[k] = v
}
