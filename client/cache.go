package client

import (
	"crypto/sha256"
	"encoding/binary"
	"sync/atomic"
)

// cacheSlots bounds the tokens whose signature is remembered; a power of two.
const cacheSlots = 1 << 12

// cache remembers whose signature was good. A token has one slot, found by its hash; the next one that belongs there
// takes it over. Times and revocation are no part of it: they are looked at on every hit.
type cache [cacheSlots]atomic.Pointer[checked]

// checked is immutable.
type checked struct {
	hash   [sha256.Size]byte
	keys   *[]publicKey // by which it was checked: another set checks anew
	claims *Claims
}

func (c *cache) slot(hash [sha256.Size]byte) *atomic.Pointer[checked] {
	return &c[binary.LittleEndian.Uint32(hash[:])%cacheSlots]
}

func (c *cache) get(hash [sha256.Size]byte, keys *[]publicKey) *Claims {
	e := c.slot(hash).Load()
	if e == nil || e.hash != hash || e.keys != keys {
		return nil
	}
	return e.claims
}

func (c *cache) put(hash [sha256.Size]byte, keys *[]publicKey, claims *Claims) {
	c.slot(hash).Store(&checked{hash, keys, claims})
}
